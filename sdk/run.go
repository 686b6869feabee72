package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// config is what the options set.
type config struct {
	start      appapi.StartParams
	concurrent bool
	in         io.Reader
	out        io.Writer
}

// Option changes how Run works.
type Option func(*config)

// Name sets what the application calls itself; it must agree with its package's app.json.
func Name(name, version string) Option {
	return func(c *config) { c.start.App, c.start.Version = name, version }
}

// Threads sets how many slots the process takes. Default 1.
func Threads(n int) Option { return func(c *config) { c.start.Threads = n } }

// FinishByCall says that the application calls WOBFinished itself, in the OnCompute that comes
// after the last child was merged. By default the result of a last OnCheckpoint is final.
func FinishByCall() Option { return func(c *config) { c.start.Finish = appapi.FinishCall } }

// Concurrent says that callbacks may run while OnCompute does: the application does its own
// locking. They then are answered at once, however rarely CanCompute is called.
func Concurrent() Option { return func(c *config) { c.concurrent = true } }

// Pipes replaces standard input and output, for tests.
func Pipes(in io.Reader, out io.Writer) Option {
	return func(c *config) { c.in, c.out = in, out }
}

// Main runs the application and returns the exit status of the program.
func Main(app App, opts ...Option) int {
	if err := Run(app, opts...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Run serves the middleware until it closes standard input, then returns nil; the program
// should exit then, though an OnCompute may still run.
func Run(app App, opts ...Option) error {
	cfg := config{start: appapi.StartParams{Protocol: appapi.Version, SDK: "go", Threads: 1, Finish: appapi.FinishCheckpoint}}
	for _, o := range opts {
		o(&cfg)
	}
	if cfg.in == nil {
		if os.Getenv("WOB_APP_PROTOCOL") == "" {
			return errors.New("this program is an application of WOBCompute: a node runs it; to try it, run \"wob app check -- PROGRAM\"")
		}
		cfg.in, cfg.out = os.Stdin, os.Stdout
		os.Stdout = os.Stderr
	}
	d := newDispatcher(app, &cfg)
	read := make(chan error, 1)
	go func() { read <- d.conn.read(d.enqueue); d.close() }()

	if err := d.start(cfg.start); err != nil {
		return err
	}
	d.run()
	return <-read
}

// start calls Start and tells the application.
func (d *dispatcher) start(p appapi.StartParams) error {
	n := &Node{conn: d.conn}
	if err := n.call(appapi.Start, p, &n.info); err != nil {
		return fmt.Errorf("calling Start: %w", err)
	}
	d.node = n
	if s, ok := d.app.(Starter); ok {
		return s.OnStart(n)
	}
	return nil
}

// decode reads parameters into v.
func decode(params json.RawMessage, v any) error {
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	if err := json.Unmarshal(params, v); err != nil {
		return &rpcError{Code: appapi.CodeInvalidParams, Message: err.Error()}
	}
	return nil
}
