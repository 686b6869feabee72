package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/admin"
)

func (e *env) statusCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show what this machine's node does",
		Example: "  wob status --json",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			var s node.Status
			err := e.control(func(ctx context.Context, c *admin.Client) (err error) {
				s, err = c.Status(ctx)
				return err
			})
			if err != nil {
				return err
			}
			if e.json {
				return e.print(s)
			}
			return e.showStatus(s)
		},
	}
	e.dataFlag(c)
	return c
}

func (e *env) showStatus(s node.Status) error {
	fmt.Fprintln(e.out, headline(s))
	for _, p := range s.Projects {
		fmt.Fprintf(e.out, "\n%s (%s)\n", p.Name, p.ID)
		t := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		gateway := p.Gateway
		if !p.GatewayUp {
			gateway += " (not reached; the work goes on)"
		}
		fmt.Fprintf(t, "  gateway\t%s\n", gateway)
		fmt.Fprintf(t, "  network\t%s\n", network(p))
		fmt.Fprintf(t, "  address\t%s\n", strings.Join(p.Addrs, " "))
		apps := strings.Join(p.Apps, ", ")
		if apps == "" {
			apps = "none yet"
		}
		fmt.Fprintf(t, "  applications\t%s\n", apps)
		fmt.Fprintf(t, "  slots\t%d, %d idle\n", p.Slots, p.Idle)
		if err := t.Flush(); err != nil {
			return err
		}
		if len(p.WOBs) == 0 {
			continue
		}
		t = tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  WOB\tAPP\tSTATE\tDONE\tVERSION\tCOPIES\tCHILDREN OUT")
		for _, w := range p.WOBs {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\n", w.ID, w.App, w.State, percent(w.Effort.Done(), w.Effort.Total), w.Version, w.Copies, w.Children)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// headline says in one sentence what the node does and, if nothing, why.
func headline(s node.Status) string {
	running, idle, joining := 0, 0, 0
	for _, p := range s.Projects {
		running += p.Slots - p.Idle
		idle += p.Idle
		if p.Cluster == "" {
			joining++
		}
	}
	switch {
	case s.Paused:
		return "Paused; `wob resume` goes on."
	case len(s.Projects) == 0:
		return "Idle: no project joined; `wob join URL` joins one."
	case running > 0:
		return fmt.Sprintf("Computing: %d slot(s) busy, %d idle.", running, idle)
	case joining == len(s.Projects):
		return "Joining the network: no cluster yet; it asks the gateway and the supervisors it knows."
	}
	return "Idle: the projects have no work now; the node asks again by itself."
}

func network(p node.ProjectStatus) string {
	switch {
	case p.Cluster == "":
		return "joining"
	case p.Supervisor == p.Peer:
		return fmt.Sprintf("supervisor of cluster %s with %d member(s) attached, %d supervisors in all", p.Cluster, p.Members, len(p.View.Supervisors))
	}
	return fmt.Sprintf("member of cluster %s at supervisor %s", p.Cluster, shortPeer(string(p.Supervisor)))
}

func percent(done, total float64) string {
	if total <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*done/total)
}
