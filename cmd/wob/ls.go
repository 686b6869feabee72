package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
)

func (e *env) lsCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "ls",
		Short:   "List the project's jobs",
		Example: "  wob ls --project pi",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			client, err := e.owner()
			if err != nil {
				return err
			}
			roots, err := client.WOBs(e.ctx)
			if err != nil {
				return err
			}
			if e.json {
				if roots == nil {
					roots = []api.Root{}
				}
				return e.print(api.Roots{WOBs: roots})
			}
			if len(roots) == 0 {
				fmt.Fprintln(e.out, "No jobs yet; `wob submit` submits one.")
				return nil
			}
			t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tAPP\tSTATE\tTIME\tWOBS\tHOLDER")
			for _, r := range roots {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\n", r.ID, r.App, standing(r), seconds(r.Seconds), r.WOBs, holder(r))
			}
			return t.Flush()
		},
	}
	e.ownerFlags(c)
	return c
}

func holder(r api.Root) string {
	switch {
	case r.State.Terminal():
	case r.Location != nil:
		return shortPeer(string(r.Location.Peer))
	case r.Lease != nil:
		return shortPeer(string(r.Lease.Inc.Holder))
	}
	return "-"
}
