package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/cmd/wob/demo"
)

func (e *env) demoCmd() *cobra.Command {
	var cfg demo.Config
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole network on this machine and compute something real",
		Long: "Starts a gateway and nodes as processes of their own on 127.0.0.1, submits a job, shows who computes what,\n" +
			"prints the result and its check, and leaves nothing behind. With --kill, nodes that hold work are killed on\n" +
			"the way; what they had done goes on elsewhere from their last checkpoints. redone is the estimated share of\n" +
			"the work that was lost with them and computed again.",
		Example: "  wob demo\n  wob demo --kill 2 --limit 50000000000\n  wob demo --app nqueens --limit 15",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			if err := cfg.Complete(); err != nil {
				return usage("%w", err)
			}
			return e.demo(cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.App, "app", "primes", "what to compute: "+strings.Join(demo.Apps(), " or "))
	f.IntVar(&cfg.Nodes, "nodes", 4, "nodes that compute, one process each")
	f.Int64Var(&cfg.Limit, "limit", 0, "primes: count below it (default 10000000000); nqueens: size of the board (default 15)")
	f.IntVar(&cfg.Capacity, "capacity", 100, "lasting connections per node; small ones make the network shape itself")
	f.IntVar(&cfg.Kill, "kill", 0, "nodes to kill on the way")
	f.StringVar(&cfg.Keep, "keep", "", "keep everything, logs too, in this new directory")
	return c
}

func (e *env) demo(cfg demo.Config) error {
	// A reader that goes away ends the demo in order, too.
	ctx, cancel := signal.NotifyContext(e.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer cancel()
	cfg.Out = e.out
	if e.json {
		cfg.Out = e.err
	}
	cfg.Terminal = colours(cfg.Out)
	r, err := demo.Run(ctx, cfg)
	if errors.Is(err, context.Canceled) {
		if cfg.Keep != "" {
			return failed(exitFailed, "interrupted; everything was stopped, the files are in %s", cfg.Keep)
		}
		return failed(exitFailed, "interrupted; everything was stopped and removed")
	}
	if r != nil {
		if e.json {
			err = errors.Join(e.print(r), err)
		} else {
			fmt.Fprint(e.out, r)
		}
	}
	return err
}
