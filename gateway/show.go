package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// maxDepth bounds a tree that is shown. A WOB is split in halves: real ones are flat.
const maxDepth = 500

// locateWait bounds the overlay's search for a WOB.
const locateWait = 5 * time.Second

func compareIDs(a, b wob.ID) int { return cmp.Compare(a, b) }

// details makes the data of an event. It takes plain values only.
func details(v any) wob.Raw {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return wob.Raw(b)
}

// listRoots is GET /wobs.
func (s *Server) listRoots(r *http.Request, _ wob.NodeID) (reply, error) {
	s.mu.Lock()
	all := make([]*root, 0, len(s.state.roots))
	for _, root := range s.state.roots {
		all = append(all, root)
	}
	slices.SortFunc(all, func(a, b *root) int { return cmp.Compare(a.Serial, b.Serial) })
	out := api.Roots{WOBs: make([]api.Root, len(all))}
	for i, root := range all {
		out.WOBs[i] = s.describe(root)
	}
	f := s.state.last
	s.mu.Unlock()
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	return ok(out)
}

// describe tells what the gateway itself knows of a root; s.mu is held.
func (s *Server) describe(r *root) api.Root {
	injected := r.Injected
	out := api.Root{ID: r.ID, App: r.App, State: r.State, Injected: &injected, Seconds: r.seconds(s.cfg.Now()),
		WOBs: r.stats.WOBs + 1, Effort: r.effort}
	if !r.Ended.IsZero() {
		ended := r.Ended
		out.Ended = &ended
	}
	if r.Lent {
		out.Lease = &api.LeaseInfo{Inc: r.Inc, Version: r.version, Expires: r.expires.UTC()}
	}
	return out
}

// getWOB is GET /wobs/{id}: of a root or of any WOB that the overlay or the failsafe
// store knows, with its location.
func (s *Server) getWOB(r *http.Request, _ wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	entry, answer := s.locate(r.Context(), id)
	s.mu.Lock()
	root, k, f := s.state.roots[id], s.state.failsafe[id], s.state.last
	out := api.Root{ID: id}
	switch {
	case root != nil:
		out = s.describe(root)
	case answer == protocols.Found:
		out.App, out.Parent, out.State, out.WOBs = entry.App, entry.Parent, ownerState(entry.State), 1
		out.Effort = &wob.Effort{Total: entry.Remaining, Remaining: entry.Remaining}
	case k != nil:
		out.App, out.Parent, out.State, out.WOBs, out.Effort = k.head.App, k.head.Parent, ownerState(k.head.State), k.head.Stats.WOBs+1, &k.head.Effort
	}
	known := root != nil || k != nil || answer == protocols.Found
	if known {
		out.Location = s.location(root, k, entry, answer)
	}
	s.mu.Unlock()
	switch {
	case !known && answer == protocols.Unknown:
		return reply{}, problem(http.StatusNotFound, api.CodeNotFound, "ask again", "%s is not known here, and not every supervisor answered", id)
	case !known:
		return reply{}, notFound("%s is known to nobody", id)
	}
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	if root != nil {
		w, err := s.body(r.Context(), wobKey+string(id))
		if err != nil {
			return reply{}, err
		}
		out.Boundary = w.Boundary
	}
	return ok(out)
}

// locate asks the overlay; without one nobody has it.
func (s *Server) locate(ctx context.Context, id wob.ID) (protocols.Entry, protocols.Answer) {
	s.mu.Lock()
	o := s.overlay
	s.mu.Unlock()
	if o == nil {
		return protocols.Entry{}, protocols.Absent
	}
	ctx, cancel := context.WithTimeout(ctx, locateWait)
	defer cancel()
	e, answer := o.Locate(ctx, id)
	if answer == protocols.Found && e.Gone {
		answer = protocols.Absent
	}
	return e, answer
}

// location chooses the best known place of a WOB: where the overlay finds it, with whom
// the gateway knows it to be, or in the gateway's own store. s.mu is held.
func (s *Server) location(r *root, k *kept, e protocols.Entry, answer protocols.Answer) *api.Location {
	now := s.cfg.Now()
	if r != nil && r.State.Terminal() {
		return nil
	}
	lent := r != nil && r.Lent
	if answer == protocols.Found && (!lent || !e.Inc.Less(r.Inc)) {
		return &api.Location{Peer: e.Inc.Holder, Addrs: slices.Clone(e.Addrs), Fresh: !e.Stale, Epoch: e.Inc.Epoch, Version: e.Version}
	}
	switch {
	case lent:
		return &api.Location{Peer: r.Inc.Holder, Addrs: []string{}, Fresh: r.expires.After(now), Epoch: r.Inc.Epoch, Version: r.version}
	case k != nil && k.lent != nil && k.expires.After(now):
		return &api.Location{Peer: k.lent.Holder, Addrs: []string{}, Fresh: true, Epoch: k.lent.Epoch, Version: k.head.Version}
	case k != nil:
		return &api.Location{Peer: api.AtGateway, Addrs: []string{}, Fresh: true, Epoch: k.head.Epoch, Version: k.head.Version}
	}
	return &api.Location{Peer: api.AtGateway, Addrs: []string{}, Fresh: true, Epoch: r.Inc.Epoch, Version: r.version}
}

// ownerState puts a WOB's state in the owner's words.
func ownerState(st wob.State) api.State {
	switch st {
	case wob.Running:
		return api.Running
	case wob.Waiting:
		return api.Waiting
	case wob.Finished, wob.Merged:
		return api.Finished
	case wob.Failed:
		return api.Failed
	case wob.Cancelled:
		return api.Cancelled
	default: // created, suspended, lost: to be taken by somebody
		return api.Queued
	}
}

// getTree is GET /wobs/{id}/tree: a WOB and what the overlay knows below it.
func (s *Server) getTree(r *http.Request, _ wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	o := s.overlay
	s.mu.Unlock()
	var entries []protocols.Entry
	if o != nil {
		entries = o.Entries()
	}
	nodes := map[wob.ID]api.Node{}
	below := map[wob.ID][]wob.ID{}
	add := func(n api.Node, parent wob.ID) {
		if _, known := nodes[n.ID]; !known {
			below[parent] = append(below[parent], n.ID)
		}
		nodes[n.ID] = n
	}
	s.mu.Lock()
	for _, k := range s.state.failsafe {
		h := k.head
		add(api.Node{ID: h.ID, App: h.App, State: string(h.State), Holder: api.AtGateway, Remaining: h.Effort.Remaining,
			Epoch: h.Epoch, Version: h.Version}, h.Parent)
	}
	for _, e := range entries {
		if e.Gone {
			continue
		}
		if n, known := nodes[e.ID]; known && e.Inc.Epoch < n.Epoch {
			continue
		}
		add(api.Node{ID: e.ID, App: e.App, State: string(e.State), Holder: e.Inc.Holder, Remaining: e.Remaining, Speed: e.Speed,
			Epoch: e.Inc.Epoch, Version: e.Version, Stale: e.Stale}, e.Parent)
	}
	if root := s.state.roots[id]; root != nil {
		nodes[id] = rootNode(root, nodes[id])
	}
	s.mu.Unlock()
	if _, known := nodes[id]; !known {
		return reply{}, notFound("%s is known to nobody", id)
	}
	return ok(grow(id, nodes, below, map[wob.ID]bool{}, maxDepth))
}

// rootNode is the root in its tree: its state is the gateway's to say.
func rootNode(r *root, n api.Node) api.Node {
	n.ID, n.App, n.State = r.ID, r.App, string(r.State)
	if r.Lent && n.Epoch <= r.Inc.Epoch && (n.Holder == "" || n.Holder == api.AtGateway) {
		n.Holder, n.Epoch, n.Version = r.Inc.Holder, r.Inc.Epoch, r.version
		if r.effort != nil {
			n.Remaining = r.effort.Remaining
		}
	}
	return n
}

// grow hangs the children below their parents. The entries come from many nodes and
// may contradict each other: no WOB appears twice.
func grow(id wob.ID, nodes map[wob.ID]api.Node, below map[wob.ID][]wob.ID, seen map[wob.ID]bool, depth int) api.Node {
	seen[id] = true
	n := nodes[id]
	n.Children = []api.Node{}
	children := below[id]
	slices.Sort(children)
	for _, c := range children {
		if !seen[c] && depth > 0 {
			n.Children = append(n.Children, grow(c, nodes, below, seen, depth-1))
		}
	}
	return n
}
