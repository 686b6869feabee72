// Package check runs an application against the application protocol on this machine alone, and
// says in plain words what is wrong and what the protocol asks for: the library behind
// "wob app check".
//
// It plays the middleware through the same manager that a node uses: computes a job unsplit, then
// again with checkpoints, suspended and resumed in a new process, split and merged in random
// order, with a part given back; and compares the results.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
)

// Options say what to check.
type Options struct {
	Dir      string   // working directory; its app.json, if any, gives name, params, timeout and example
	Command  []string // argument vector; empty: "run" of app.json
	Boundary wob.Raw  // the job; empty: "example" of app.json
	Bench    bool     // only compute unsplit and measure
	Seed     uint64   // of the order of merges
	Shim     []string // see app.Config
	Logger   *slog.Logger
	// Deadlines replaces entries of the protocol's table, for tests.
	Deadlines map[string]time.Duration
}

// Outcome of a step.
type Outcome string

// What a step can end with.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Warning Outcome = "warning" // works, but somebody will be surprised
	Skipped Outcome = "skipped"
)

// Step is one thing that was checked.
type Step struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Text    string  `json:"text"`
}

// Report is what a check has found.
type Report struct {
	App     string  `json:"app"`
	Version string  `json:"version"`
	OK      bool    `json:"ok"` // no step failed
	Steps   []Step  `json:"steps"`
	Result  wob.Raw `json:"result"`  // of the unsplit run
	Seconds float64 `json:"seconds"` // from OnCompute to its answer, unsplit
	Effort  float64 `json:"effort"`  // total, in the application's unit
	Speed   float64 `json:"speed"`   // effort per second
}

// String writes the report for people, a line a step.
func (r Report) String() string {
	var b strings.Builder
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%-8s%s: %s\n", s.Outcome, s.Name, s.Text)
	}
	return b.String()
}

// Errors of Run: the check could not begin.
var (
	ErrNoCommand  = errors.New(`no command: give it after "--" or as "run" in app.json`)
	ErrNoBoundary = errors.New(`no boundary: give --boundary JSON or "example" in app.json`)
)

// manifest is what check needs of app.json.
type manifest struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Threads int      `json:"threads"`
	Timeout string   `json:"timeout"`
	Run     []string `json:"run"`
	Params  wob.Raw  `json:"params"`
	Example wob.Raw  `json:"example"`
}

// prepare reads app.json and completes the options.
func (o *Options) prepare() (app.Command, error) {
	if o.Dir == "" {
		o.Dir = "."
	}
	var m manifest
	b, err := os.ReadFile(filepath.Join(o.Dir, "app.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return app.Command{}, err
	default:
		if err := json.Unmarshal(b, &m); err != nil {
			return app.Command{}, fmt.Errorf("app.json: %w", err)
		}
	}
	if len(o.Command) == 0 {
		o.Command = m.Run
	}
	if o.Boundary == "" {
		o.Boundary = m.Example
	}
	c := app.Command{Dir: o.Dir, Run: o.Command, Params: m.Params, Name: m.Name, Version: m.Version, Threads: m.Threads, Project: "check"}
	if m.Timeout != "" {
		if c.Timeout, err = time.ParseDuration(m.Timeout); err != nil {
			return app.Command{}, fmt.Errorf("app.json: timeout: %w", err)
		}
	}
	switch {
	case len(o.Command) == 0:
		return c, ErrNoCommand
	case o.Boundary.IsNull():
		return c, ErrNoBoundary
	case !o.Boundary.Valid():
		return c, fmt.Errorf("boundary %.100q is not JSON", string(o.Boundary))
	}
	return c, nil
}

// Run checks an application. An error means that the check could not be made; what is wrong with
// the application is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	c, err := o.prepare()
	if err != nil {
		return Report{}, err
	}
	scratch, err := os.MkdirTemp("", "wob-check-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(scratch)
	k := &checker{ctx: ctx, opt: o, rng: rand.New(rand.NewPCG(o.Seed, 1))}
	k.stage = newStage(ctx, c, app.Config{ScratchRoot: scratch, Shim: o.Shim, Logger: o.Logger, Deadlines: o.Deadlines})
	k.run()
	k.stage.close()
	if err := ctx.Err(); err != nil {
		return k.report, err
	}
	k.finish()
	return k.report, nil
}

// checker makes the steps, one after another.
type checker struct {
	ctx    context.Context
	opt    Options
	rng    *rand.Rand
	stage  *stage
	report Report
}

// step runs one step; f returns what was found, or a problem. Nothing is checked any more once
// the check itself was called off.
func (k *checker) step(name string, f func() (string, error)) Outcome {
	if k.ctx.Err() != nil {
		return Skipped
	}
	text, err := f()
	k.stage.clear()
	s := Step{Name: name, Outcome: OK, Text: text}
	var skip skipped
	switch {
	case errors.As(err, &skip):
		s.Outcome, s.Text = Skipped, string(skip)
	case err != nil:
		s.Outcome, s.Text = Failed, err.Error()
	}
	k.report.Steps = append(k.report.Steps, s)
	return s.Outcome
}

// skipped is the error of a step that does not apply.
type skipped string

func (s skipped) Error() string { return string(s) }

// run makes all steps that the application's state allows.
func (k *checker) run() {
	if k.step("compute", k.unsplit) != OK || k.opt.Bench {
		return
	}
	k.step("unknown messages", k.strangers)
	resumed := k.step("suspend and resume", k.resume)
	offers := k.step("offer", k.offer)
	split, giveBack := k.split, k.giveBack
	switch {
	case offers != OK:
		split, giveBack = k.without("it needs offers"), k.without("it needs offers")
	case resumed != OK:
		split, giveBack = k.without("it needs an application that can be resumed"), k.without("it needs an application that can be resumed")
	}
	k.step("split and merge", split)
	k.step("part given back", giveBack)
}

// without is a step that is skipped.
func (k *checker) without(why string) func() (string, error) {
	return func() (string, error) { return "", skipped(why) }
}

// finish adds what only the end shows.
func (k *checker) finish() {
	if n := k.stage.junk; n > 0 {
		k.report.Steps = append(k.report.Steps, Step{"standard output", Warning, fmt.Sprintf(
			"%d lines on standard output are no messages of the protocol. They went to the log; better print to standard error, "+
				"because a line that happens to look like a message is taken for one", n)})
	}
	k.report.App, k.report.Version = k.stage.start.App, k.stage.start.Version
	k.report.OK = true
	for _, s := range k.report.Steps {
		k.report.OK = k.report.OK && s.Outcome != Failed
	}
}
