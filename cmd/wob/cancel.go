package main

import (
	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
)

func (e *env) cancelCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "cancel ID",
		Short:   "Cancel a job",
		Long:    "Cancels a job for good. The nodes that compute parts of it learn so within seconds and stop.",
		Example: "  wob cancel --project pi 0b6cdd3e",
		Args:    want("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			client, id, err := e.ownersWOB(args[0])
			if err != nil {
				return err
			}
			if err := client.Cancel(e.ctx, id); err != nil {
				return err
			}
			return e.say(map[string]string{"id": string(id), "state": string(api.Cancelled)}, "Job %s is cancelled.", id)
		},
	}
	e.ownerFlags(c)
	return c
}
