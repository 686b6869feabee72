package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/cobra"
)

// What `gateway run` and `node run` share: signals, the log, ready lines.

const defaultGrace = 20 * time.Second

// ready is the line that a server prints when it serves.
type ready struct {
	Event   string   `json:"event"` // ready
	URL     string   `json:"url,omitempty"`
	Project string   `json:"project,omitempty"`
	Peer    string   `json:"peer,omitempty"`
	Addrs   []string `json:"addrs"`
	Admin   string   `json:"admin,omitempty"`
}

// daemonFlags adds the flags of a command that runs until it is stopped.
func (e *env) daemonFlags(c *cobra.Command, grace *time.Duration, lifeline *bool) {
	c.Flags().DurationVar(grace, "grace", defaultGrace, "time for packing, storing and handing over work when it is stopped")
	c.Flags().StringVar(&e.log, "log", "", "least level of the log on standard error: debug, info, warn or error (WOB_LOG; default info)")
	c.Flags().BoolVar(lifeline, "lifeline", false, "end at once when standard input closes")
	_ = c.Flags().MarkHidden("lifeline") // for programs that start this one
}

// untilStopped returns a context that ends with SIGINT or SIGTERM. A second one ends the
// process at once: everything that was acknowledged is on disk.
func untilStopped(parent context.Context, name string, errs io.Writer) (context.Context, context.CancelFunc) {
	// A reader that went away ends a write with an error, not the process. Unlike ignoring
	// the signal, this is not passed on to the processes started here.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		fmt.Fprintf(errs, "wob: the %s is stopping; once more stops it at once\n", name)
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx, cancel
}

// holdLifeline ends the process at once when standard input ends: who started it is gone.
func holdLifeline(on bool) {
	if !on {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(exitFailed)
	}()
}

// logger writes to standard error, in colour on a terminal.
func (e *env) logger() (*slog.Logger, error) {
	name := setting(e.log, "WOB_LOG", "info")
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[strings.ToLower(name)]
	if !ok {
		return nil, usage("%q is not a level of the log: debug, info, warn or error", name)
	}
	if isTerminal(e.err) {
		return slog.New(tint.NewTextHandler(e.err, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !colours(e.err)})), nil
	}
	return slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: level})), nil
}

// checkAddrs refuses what is not a multiaddr.
func checkAddrs(flag string, addrs []string) error {
	for _, a := range addrs {
		if _, err := ma.NewMultiaddr(a); err != nil {
			return usage("--%s: %q is not a multiaddr (%w); it looks like /ip4/0.0.0.0/tcp/4001", flag, a, err)
		}
	}
	return nil
}
