package main

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/admin"
	"github.com/wobcompute/wobcompute/node/project"
)

const joinTimeout = time.Minute

func (e *env) joinCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "join URL[#PROJECTID]",
		Short: "Join a project through its gateway's URL",
		Long: "Makes this machine's node take part in a project: at once if it runs, at its next start otherwise.\n" +
			"A project ID after # pins the project's key: nothing else is accepted from that URL.",
		Example: "  wob join http://gateway.example:8080#mzxw6ytboi4dsmbqgezdgnbvgy3tqojq",
		Args:    want("URL"),
		RunE: func(_ *cobra.Command, args []string) error {
			gateway, pin, err := joinLink(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(e.ctx, joinTimeout)
			defer cancel()
			m, running, err := joinNode(ctx, e.dataDir(), gateway, pin)
			if err != nil {
				return err
			}
			next := "The node takes part from now on."
			if !running {
				next = "Next: wob node run --data " + e.dataDir()
			}
			return e.say(m, "Joined %s (%s). %s", m.Name, m.ID, next)
		},
	}
	e.dataFlag(c)
	return c
}

// joinLink takes a join link apart into the gateway's URL and the pinned project.
func joinLink(text string) (gateway, pin string, err error) {
	if err := checkURL(text); err != nil {
		return "", "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", "", usage("%w", err)
	}
	pin, u.Fragment = strings.ToLower(u.Fragment), ""
	if strings.Contains(text, "#") && !project.ValidID(pin) {
		return "", "", usage("%q after # is not a project ID: 32 letters and digits such as mzxw6ytboi4dsmbqgezdgnbvgy3tqojq; leave out the # to pin nothing", pin)
	}
	return u.String(), pin, nil
}

// joinNode joins through the running node, or in its data directory while none runs.
func joinNode(ctx context.Context, data, gateway, pin string) (m node.Membership, running bool, err error) {
	client, err := admin.Find(data)
	if err == nil {
		m, err = client.Join(ctx, gateway, pin)
		return m, true, err
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return m, false, err
	}
	unlock, err := admin.Lock(data)
	if err != nil {
		return m, false, err
	}
	defer unlock()
	m, err = node.Enrol(ctx, data, gateway, pin)
	return m, false, err
}
