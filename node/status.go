package node

import (
	"context"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/protocols/stream"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/work"
)

// Status is what `wob status` shows of a node.
type Status struct {
	Peer         wob.NodeID      `json:"peer"` // of the first project
	Addrs        []string        `json:"addrs"`
	Reachability string          `json:"reachability"` // public: the node is reachable as it was told
	Paused       bool            `json:"paused"`
	Seconds      float64         `json:"seconds"` // since the node started
	Projects     []ProjectStatus `json:"projects"`
}

// ProjectStatus is a node's part in one project.
type ProjectStatus struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	Gateway    string              `json:"gateway"`
	GatewayUp  bool                `json:"gatewayUp"`
	Peer       wob.NodeID          `json:"peer"`
	Addrs      []string            `json:"addrs"`
	Cluster    protocols.ClusterID `json:"cluster"` // empty: joining
	Role       string              `json:"role"`    // joining | member | supervisor
	Supervisor wob.NodeID          `json:"supervisor"`
	Members    int                 `json:"members"` // attached to this node
	View       protocols.View      `json:"view"`
	Apps       []string            `json:"apps"`
	Slots      int                 `json:"slots"`
	Idle       int                 `json:"idle"`
	WOBs       []WOBStatus         `json:"wobs"`
	Events     map[string]uint64   `json:"events"` // how often each happened
	Traffic    Traffic             `json:"traffic"`
	Syncs      uint64              `json:"syncs"` // fsynced commits of the store
}

// WOBStatus is one WOB held by this node.
type WOBStatus struct {
	ID       wob.ID     `json:"id"`
	App      string     `json:"app"`
	Parent   wob.ID     `json:"parent,omitempty"`
	State    wob.State  `json:"state"`
	Phase    string     `json:"phase"` // what the node does with it: checking, held, loaded, waiting, finished or moving
	Effort   wob.Effort `json:"effort"`
	Epoch    uint64     `json:"epoch"`
	Moves    uint64     `json:"moves"`
	Version  uint64     `json:"version"`
	Children int        `json:"children"` // that are out
	Copies   int        `json:"copies"`   // supervisors that hold its newest snapshot
	Failures int        `json:"failures"` // of the application with it, on this node and others
}

// Traffic counts messages and bytes by kind since the start.
type Traffic struct {
	Sent     map[protocols.Kind]stream.Counter `json:"sent"`
	Received map[protocols.Kind]stream.Counter `json:"received"`
	Unknown  uint64                            `json:"unknown"`
	Rejected uint64                            `json:"rejected"`
	Failed   uint64                            `json:"failed"`
}

// Status collects the node's state.
func (n *Node) Status(ctx context.Context) (Status, error) {
	n.mu.Lock()
	s := Status{Reachability: "public", Paused: n.paused, Seconds: time.Since(n.started).Seconds(), Projects: []ProjectStatus{}}
	names := make(map[string]Membership, len(n.members))
	for id, m := range n.members {
		names[id] = m
	}
	n.mu.Unlock()
	for _, p := range n.Projects() {
		ps, err := p.Status(ctx)
		if err != nil {
			return s, err
		}
		m := names[p.cfg.ID]
		ps.Name, ps.Gateway = m.Name, m.Gateway
		s.Projects = append(s.Projects, ps)
	}
	if len(s.Projects) > 0 {
		s.Peer, s.Addrs = s.Projects[0].Peer, s.Projects[0].Addrs
	}
	return s, nil
}

// Status collects the project's state from both machines at one instant.
func (p *Project) Status(ctx context.Context) (ProjectStatus, error) {
	s := ProjectStatus{
		ID: p.cfg.ID, Peer: p.self, Addrs: p.Addrs(), GatewayUp: !p.down.Load(), Slots: p.cfg.Slots,
		Events: p.events.Counts(), Traffic: Traffic(p.mux.Stats()), Apps: []string{}, WOBs: []WOBStatus{}, Syncs: p.store.Syncs(),
	}
	var o overlay.State
	var w work.State
	err := p.ask(ctx, func() {
		o, w = p.over.Snapshot(), p.work.Snapshot()
		for name, c := range p.commands {
			s.Apps = append(s.Apps, name+"@"+c.Version)
		}
	})
	if err != nil {
		return s, err
	}
	s.Cluster, s.Role, s.Supervisor = o.Cluster, string(o.Role), o.Supervisor
	s.Members, s.View = len(o.Members), o.View
	slices.Sort(s.Apps)
	s.Idle = w.Idle
	for _, h := range w.WOBs {
		s.WOBs = append(s.WOBs, WOBStatus{
			ID: h.ID, App: h.App, Parent: h.Parent, State: h.State, Phase: h.Phase, Effort: h.Effort,
			Epoch: h.Epoch, Moves: h.Moves, Version: h.Version, Children: h.Out, Copies: h.Copies, Failures: h.Failures,
		})
	}
	return s, nil
}

// ask runs f on the loop and waits for it.
func (p *Project) ask(ctx context.Context, f func()) error {
	done := make(chan struct{})
	p.box.post(func() {
		f()
		close(done)
	})
	select {
	case <-done:
		return nil
	case <-p.stopped:
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Entries returns the WOB index as this node knows it: all of the cluster at a
// supervisor, its own WOBs elsewhere.
func (p *Project) Entries(ctx context.Context) ([]protocols.Entry, error) {
	var all []protocols.Entry
	err := p.ask(ctx, func() { all = p.over.All() })
	return all, err
}

// Locate asks the overlay where a WOB is.
func (p *Project) Locate(ctx context.Context, id wob.ID) (protocols.Entry, protocols.Answer) {
	return p.locate(ctx, id)
}

// Workload tells the overlay the gateway's workload level, from the gateway beside it:
// idle nodes need not wait for the next report then.
func (p *Project) Workload(level uint64) { p.box.post(overlay.GatewayWorkload{Level: level}) }
