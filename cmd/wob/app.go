package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node/app/check"
	"github.com/wobcompute/wobcompute/wob"
)

func (e *env) appCmd() *cobra.Command {
	return group("app", "Try an application on this machine alone",
		"  wob app check --boundary '{\"lo\":0,\"hi\":1000000}' -- ./primes", e.appCheckCmd())
}

func (e *env) appCheckCmd() *cobra.Command {
	var boundary string
	var bench bool
	c := &cobra.Command{
		Use:   "check [-- CMD…]",
		Short: "Run an application against the application protocol and say what is wrong",
		Long: "Runs an application without any network: computes a job unsplit, then with checkpoints, suspended and resumed\n" +
			"in a new process, split and merged in random order, with a part given back, and compares the results.\n" +
			"In a directory with an app.json, command and boundary default to its \"run\" and \"example\".",
		Example: "  wob app check --boundary '{\"lo\":0,\"hi\":1000000}' -- ./primes\n  cd primes && wob app check --bench",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at > 0 || at < 0 && len(args) > 0 {
				return usage("%q: the application's command comes after --, as in `wob app check -- ./primes`", args[0])
			}
			raw := wob.Raw("")
			if boundary != "" {
				var err error
				if raw, err = readBoundary(boundary, ""); err != nil {
					return err
				}
			}
			ctx, cancel := signal.NotifyContext(e.ctx, syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			return e.appCheck(ctx, check.Options{Command: args, Boundary: raw, Bench: bench})
		},
	}
	c.Flags().StringVar(&boundary, "boundary", "", "the job to compute, as JSON; a few seconds of work are plenty")
	c.Flags().BoolVar(&bench, "bench", false, "only compute the job unsplit and measure the time")
	return c
}

func (e *env) appCheck(ctx context.Context, o check.Options) error {
	report, err := check.Run(ctx, o)
	switch {
	case errors.Is(err, context.Canceled):
		return failed(exitFailed, "interrupted")
	case err != nil:
		return usage("%w", err)
	}
	if e.json {
		if err := e.print(report); err != nil {
			return err
		}
	} else {
		fmt.Fprint(e.out, report)
		if o.Bench && report.OK {
			fmt.Fprintf(e.out, "%s in %.3f s, %.4g units of effort per second\n", text(report.Result), report.Seconds, report.Speed)
		}
	}
	if !report.OK {
		return failed(exitFailed, "the application does not keep to the protocol; the steps that failed say what it asks for")
	}
	return nil
}
