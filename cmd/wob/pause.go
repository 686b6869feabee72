package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node/admin"
)

// controlTimeout bounds a call of the local node.
const controlTimeout = 15 * time.Second

// control calls the running node of the data directory.
func (e *env) control(do func(context.Context, *admin.Client) error) error {
	client, err := admin.Find(e.dataDir())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, controlTimeout)
	defer cancel()
	return do(ctx, client)
}

func (e *env) pauseCmd() *cobra.Command {
	var span time.Duration
	c := &cobra.Command{
		Use:   "pause",
		Short: "Suspend all work of this machine's node",
		Long: "Suspends and packs what runs and takes no more work; others may go on with it. The node stays in the\n" +
			"network, to hold it together.",
		Example: "  wob pause --for 2h",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			if span < 0 {
				return usage("--for %s: it cannot be negative", span)
			}
			err := e.control(func(ctx context.Context, c *admin.Client) error { return c.Pause(ctx, span) })
			if err != nil {
				return err
			}
			until := "until `wob resume`"
			if span > 0 {
				until = "for " + span.String()
			}
			return e.say(map[string]any{"paused": true, "seconds": span.Seconds()}, "Paused %s.", until)
		},
	}
	e.dataFlag(c)
	c.Flags().DurationVar(&span, "for", 0, "resume by itself after so long")
	return c
}

func (e *env) resumeCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "resume",
		Short:   "Go on after a pause",
		Example: "  wob resume",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			err := e.control(func(ctx context.Context, c *admin.Client) error { return c.Resume(ctx) })
			if err != nil {
				return err
			}
			return e.say(map[string]bool{"paused": false}, "Resumed.")
		},
	}
	e.dataFlag(c)
	return c
}
