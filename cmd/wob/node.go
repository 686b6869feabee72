package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/admin"
)

// Bounds of --capacity, as the overlay has them.
const (
	leastCapacity = 2
	mostCapacity  = 1 << 20
)

// nodeOptions are the flags of node run.
type nodeOptions struct {
	listen    []string
	admin     string
	slots     int
	capacity  int
	noCompute bool
	events    bool
	grace     time.Duration
	lifeline  bool
}

// dataFlag adds --data to commands for the node of this machine.
func (e *env) dataFlag(cmds ...*cobra.Command) {
	for _, c := range cmds {
		c.Flags().StringVar(&e.data, "data", "", "the node's data directory (WOB_DATA; default "+defaultData()+")")
	}
}

func defaultData() string { return filepath.Join(xdg.DataHome, "wob") }

func (e *env) dataDir() string { return setting(e.data, "WOB_DATA", defaultData()) }

func (e *env) nodeCmd() *cobra.Command {
	return group("node", "Run a volunteer's node", "  wob node run", e.nodeRunCmd())
}

func (e *env) nodeRunCmd() *cobra.Command {
	var o nodeOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Run this machine's node until it is stopped",
		Long: "Runs the node, which computes for all projects that were joined, and for those that are joined while it runs.\n" +
			"Stopped with Ctrl-C or SIGTERM it packs its work and hands it over first, within --grace.\n" +
			"With --json --events, what happens follows the ready line, one JSON object a line.",
		Example: "  wob node run\n  wob node run --slots 2 --listen /ip4/0.0.0.0/tcp/4001",
		Args:    want(),
		RunE:    func(*cobra.Command, []string) error { return e.nodeRun(o) },
	}
	f := c.Flags()
	e.dataFlag(c)
	f.StringArrayVar(&o.listen, "listen", nil, "multiaddr to listen on, repeatable (default "+strings.Join(node.DefaultListen, " and ")+")")
	f.StringVar(&o.admin, "admin", admin.DefaultAddr, "address of the local WebAPI; port 0 picks a free one")
	f.IntVar(&o.slots, "slots", 0, "processes that compute at once (default: one per core)")
	f.IntVar(&o.capacity, "capacity", 100, "lasting connections this node can hold")
	f.BoolVar(&o.noCompute, "no-compute", false, "help to hold the network together, but compute nothing")
	f.BoolVar(&o.events, "events", false, "print what happens on standard output, one event a line")
	e.daemonFlags(c, &o.grace, &o.lifeline)
	return c
}

func (e *env) nodeRun(o nodeOptions) error {
	switch {
	case o.slots < 0:
		return usage("--slots %d: it cannot be negative; --no-compute computes nothing", o.slots)
	case o.capacity < leastCapacity || o.capacity > mostCapacity:
		return usage("--capacity %d: from %d to %d; a supervisor needs a connection to another one and one to a member",
			o.capacity, leastCapacity, mostCapacity)
	case o.noCompute:
		o.slots = -1
	}
	if err := checkAddrs("listen", o.listen); err != nil {
		return err
	}
	logger, err := e.logger()
	if err != nil {
		return err
	}
	ctx, cancel := untilStopped(e.ctx, "node", e.err)
	defer cancel()
	holdLifeline(o.lifeline)
	data := e.dataDir()
	web, err := admin.Listen(admin.Config{Data: data, Addr: o.admin, Logger: logger})
	if errors.Is(err, admin.ErrBadAddr) {
		return usage("%w", err)
	}
	if err != nil {
		return err
	}
	n, err := node.Open(node.Config{
		Data: data, Listen: o.listen, Slots: o.slots, Capacity: o.capacity, Agent: agent(), Logger: logger,
	})
	if err != nil {
		return errors.Join(err, web.Close())
	}
	if err := web.Serve(n); err != nil {
		return errors.Join(err, n.Close(), web.Close())
	}
	return errors.Join(e.serveNode(ctx, n, web, o), web.Close())
}

func (e *env) serveNode(ctx context.Context, n *node.Node, web *admin.Server, o nodeOptions) error {
	if err := e.nodeReady(n, web); err != nil {
		return errors.Join(err, n.Close())
	}
	if o.events {
		// To the very end: leaving is worth telling, too.
		streaming, end := context.WithCancel(context.Background())
		streamed := make(chan struct{})
		defer func() {
			end()
			select {
			case <-streamed:
			case <-time.After(time.Second): // nobody reads
			}
		}()
		go func() {
			defer close(streamed)
			// A reader that went away ends the stream, not the node.
			_ = web.Feed().Follow(streaming, e.printEvent)
		}()
	}
	select {
	case <-ctx.Done():
		return n.Stop(o.grace)
	case err := <-n.Failed():
		return errors.Join(fmt.Errorf("the node cannot go on: %w; what it had stored is there at the next start", err), n.Close())
	}
}

func (e *env) nodeReady(n *node.Node, web *admin.Server) error {
	r := ready{Event: "ready", Addrs: []string{}, Admin: "http://" + web.Addr()}
	projects := n.Projects()
	if len(projects) == 0 {
		return e.say(r, "The node runs; it has joined no project yet. Join one with: wob join URL --data %s", e.dataDir())
	}
	r.Peer, r.Addrs = string(projects[0].Peer()), projects[0].Addrs()
	return e.say(r, "The node runs as %s in %d project(s). `wob status --data %s` shows what it does.", r.Peer, len(projects), e.dataDir())
}

func (e *env) printEvent(ev *node.Event) error {
	if ev == nil {
		return nil
	}
	return e.say(ev, "%s %s", ev.Time.Local().Format(time.TimeOnly), ev.Line())
}
