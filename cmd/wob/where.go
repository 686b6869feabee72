package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

// whereJSON is the output of wob where --json.
type whereJSON struct {
	ID wob.ID `json:"id"`
	api.Location
}

func (e *env) whereCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "where ID",
		Short:   "Ask the overlay where a WOB is now",
		Example: "  wob where --project pi 0b6cdd3e",
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
			if r.Parent == "" && r.State.Terminal() {
				return failed(exitFailed, "job %s is over (%s): nobody holds it any more; `wob result %s` tells how it ended", id, r.State, id)
			}
			l := r.Location
			if l == nil {
				return failed(exitFailed, "nobody knows where WOB %s is (state %s); while it runs, try again in a few seconds", id, r.State)
			}
			if l.Addrs == nil {
				l.Addrs = []string{}
			}
			return e.say(whereJSON{id, *l}, "%s%s  %s", l.Peer, stale(!l.Fresh), strings.Join(l.Addrs, " "))
		},
	}
	e.ownerFlags(c)
	return c
}
