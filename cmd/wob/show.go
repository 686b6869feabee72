package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

func (e *env) showCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one WOB as gateway and overlay know it",
		Example: "  wob show --project pi 0b6cdd3e",
		Args:    want("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			client, id, err := e.ownersWOB(args[0])
			if err != nil {
				return err
			}
			r, err := client.WOB(e.ctx, id)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(r)
			}
			return e.showRoot(r)
		},
	}
	e.ownerFlags(c)
	return c
}

func (e *env) showRoot(r api.Root) error {
	t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("id", string(r.ID))
	row("application", r.App)
	row("parent", string(r.Parent))
	row("state", standing(r))
	row("boundary", cut(string(r.Boundary), 200))
	if r.Injected != nil {
		row("submitted", r.Injected.Local().Format(time.RFC3339))
		row("time", seconds(r.Seconds)) // of a job; nobody measures that of a part of one
	}
	if r.WOBs > 0 {
		row("WOBs", fmt.Sprint(r.WOBs))
	}
	if r.Effort != nil && r.Effort.Total > 0 {
		row("own effort", fmt.Sprintf("%.4g remaining of %.4g", r.Effort.Remaining, r.Effort.Total))
	}
	if r.Lease != nil {
		row("lent to", fmt.Sprintf("%s until %s (epoch %d)", r.Lease.Inc.Holder, r.Lease.Expires.Local().Format(time.TimeOnly), r.Lease.Inc.Epoch))
	}
	if l := r.Location; l != nil {
		row("location", fmt.Sprintf("%s%s, epoch %d, version %d", l.Peer, stale(!l.Fresh), l.Epoch, l.Version))
		row("addresses", strings.Join(l.Addrs, " "))
	}
	for _, f := range r.Failures {
		row("failure", fmt.Sprintf("on %s: %s", orNobody(f.Node), oneLine(f.Error)))
		for line := range strings.Lines(f.Log) {
			if line = strings.TrimSpace(line); line != "" {
				fmt.Fprintf(t, "\t| %s\n", line)
			}
		}
	}
	return t.Flush()
}

func orNobody(id wob.NodeID) string {
	if id == "" {
		return "an unknown node"
	}
	return string(id)
}

// standing is a job's state for people: one that its holder suspended does not run.
func standing(r api.Root) string {
	if r.Phase == wob.Suspended && !r.State.Terminal() {
		return string(r.Phase)
	}
	return string(r.State)
}

// stale marks what is known of a node that is missing.
func stale(yes bool) string {
	if yes {
		return " (missing)"
	}
	return ""
}
