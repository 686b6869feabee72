package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

// Pauses between two looks at a job that is waited for.
const (
	lookMin = 50 * time.Millisecond
	lookMax = time.Second
)

func (e *env) resultCmd() *cobra.Command {
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "result ID",
		Short: "Print the result of a job",
		Long: "Prints the result, as JSON. Exits with 0 if the job is finished, or not yet and --wait was not said;\n" +
			"1 if it failed, was cancelled or is unknown; 5 at the timeout. A gateway that is restarted meanwhile is waited for.",
		Example: "  wob result --project pi 0b6cdd3e-6c1c-4bd5-8b3b-2f4a5fdc0f0e --wait --timeout 1h",
		Args:    want("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			if timeout != 0 && !wait {
				return usage("--timeout is for --wait")
			}
			client, id, err := e.ownersWOB(args[0])
			if err != nil {
				return err
			}
			if wait {
				return e.awaitResult(client, id, timeout, false)
			}
			r, err := client.Result(e.ctx, id)
			if err != nil {
				return err
			}
			return e.showResult(r)
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until the job is over")
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up waiting after so long; the job goes on")
	e.ownerFlags(c)
	return c
}

// awaitResult waits until a job is over and shows its result; that of a job which was just
// submitted with progress meanwhile.
func (e *env) awaitResult(client *api.Client, id wob.ID, timeout time.Duration, submitted bool) error {
	stopped, end := signal.NotifyContext(e.ctx, os.Interrupt, syscall.SIGTERM)
	defer end()
	ctx, cancel := stopped, context.CancelFunc(func() {})
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	line := newStatusLine(e.err)
	reached := submitted // the gateway, at least once: then it may be away for a while
	for pause := lookMin; ; pause = min(2*pause, lookMax) {
		r, err := client.Result(ctx, id)
		switch {
		case stopped.Err() != nil:
			line.done()
			return failed(exitFailed, "the job goes on; `wob result %s --wait` waits for it", id)
		case ctx.Err() != nil:
			line.done()
			return failed(exitTimeout, "job %s is not over after %s; it goes on: `wob result %s --wait` waits again", id, timeout, id)
		case errors.Is(err, api.ErrDown) && reached:
			line.set(fmt.Sprintf("the gateway at %s does not answer; the job goes on, waiting", client.URL))
		case err != nil:
			line.done()
			return err
		case r.State.Terminal():
			line.done()
			return e.showResult(r)
		case submitted:
			if root, err := client.WOB(ctx, id); err == nil {
				line.set(progressLine(root))
			}
		}
		reached = reached || err == nil
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// showResult prints a result; a job that failed or was cancelled is an error.
func (e *env) showResult(r api.Result) error {
	if e.json {
		if err := e.print(r); err != nil {
			return err
		}
	}
	switch r.State {
	case api.Finished:
		if !e.json {
			fmt.Fprintln(e.out, text(r.Result))
		}
		return nil
	case api.Failed:
		why := "no reason was recorded"
		if n := len(r.Failures); n > 0 {
			f := r.Failures[n-1]
			why = f.Error
			if f.Log != "" {
				why += "; its last lines:\n" + f.Log
			}
		}
		return failed(exitFailed, "job %s failed: %s\n`wob app check` finds out why", r.ID, why)
	case api.Cancelled:
		return failed(exitFailed, "job %s was cancelled; submit it again under another id", r.ID)
	case api.Queued, api.Running, api.Waiting:
		if !e.json {
			fmt.Fprintf(e.err, "job %s is %s, %s after its submission; --wait waits for its result\n", r.ID, r.State, seconds(r.Seconds))
		}
	}
	return nil
}

// text is a JSON value as it stands, null if there is none.
func text(r wob.Raw) string {
	if r == "" {
		return "null"
	}
	return string(r)
}
