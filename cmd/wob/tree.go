package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
)

func (e *env) treeCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "tree ID",
		Short:   "Show a job and the WOBs that were split off and are alive",
		Example: "  wob tree --project pi 0b6cdd3e",
		Args:    want("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			client, id, err := e.ownersWOB(args[0])
			if err != nil {
				return err
			}
			n, err := client.Tree(e.ctx, id)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(n)
			}
			e.branch(n, "", "")
			return nil
		},
	}
	e.ownerFlags(c)
	return c
}

// branch prints a WOB and what is below it; lead is what stands before its own line,
// below what stands before those of its children.
func (e *env) branch(n api.Node, lead, below string) {
	fmt.Fprintf(e.out, "%s%s  %s", lead, n.ID, n.State)
	if n.Holder != "" {
		fmt.Fprintf(e.out, "  on %s%s", shortPeer(string(n.Holder)), stale(n.Stale))
	}
	if n.Remaining > 0 {
		fmt.Fprintf(e.out, "  %.4g remaining", n.Remaining)
	}
	if n.Speed > 0 {
		fmt.Fprintf(e.out, " at %.4g/s", n.Speed)
	}
	fmt.Fprintln(e.out)
	for i, child := range n.Children {
		if i == len(n.Children)-1 {
			e.branch(child, below+"└─ ", below+"   ")
		} else {
			e.branch(child, below+"├─ ", below+"│  ")
		}
	}
}
