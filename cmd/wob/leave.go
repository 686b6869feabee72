package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/admin"
)

func (e *env) leaveCmd() *cobra.Command {
	var grace time.Duration
	c := &cobra.Command{
		Use:   "leave PROJECT",
		Short: "Leave a project, named by its name or ID",
		Long: "Leaves a project: a node that runs hands its work over first, within --grace. What the project kept on\n" +
			"this machine is removed.",
		Example: "  wob leave pi",
		Args:    want("PROJECT"),
		RunE: func(_ *cobra.Command, args []string) error {
			if grace < 0 {
				return usage("--grace %s: it cannot be negative", grace)
			}
			ctx, cancel := context.WithTimeout(e.ctx, grace+time.Minute)
			defer cancel()
			if err := leaveNode(ctx, e.dataDir(), args[0], grace); err != nil {
				return err
			}
			return e.say(map[string]string{"left": args[0]}, "Left %s.", args[0])
		},
	}
	e.dataFlag(c)
	c.Flags().DurationVar(&grace, "grace", defaultGrace, "time for handing work over")
	return c
}

// leaveNode leaves through the running node, or in its data directory while none runs.
func leaveNode(ctx context.Context, data, name string, grace time.Duration) error {
	client, err := admin.Find(data)
	if err == nil {
		return client.Leave(ctx, name, grace)
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return err
	}
	unlock, err := admin.Lock(data)
	if err != nil {
		return err
	}
	defer unlock()
	return node.Forget(ctx, data, name)
}
