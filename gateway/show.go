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
	entries := s.entries()
	s.mu.Lock()
	known := s.lookUp(entries)
	all := make([]*root, 0, len(s.state.roots))
	for _, root := range s.state.roots {
		all = append(all, root)
	}
	slices.SortFunc(all, func(a, b *root) int { return cmp.Compare(a.Serial, b.Serial) })
	out := api.Roots{WOBs: make([]api.Root, len(all))}
	for i, root := range all {
		out.WOBs[i] = s.describe(root, known)
	}
	f := s.state.last
	s.mu.Unlock()
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	return ok(out)
}

// describe tells what the gateway itself knows of a root, and how it stands according to
// the overlay; s.mu is held.
func (s *Server) describe(r *root, known *family) api.Root {
	injected := r.Injected
	out := api.Root{ID: r.ID, App: r.App, State: r.State, Phase: known.phase(r), Injected: &injected,
		Seconds: r.seconds(s.cfg.Now()), WOBs: r.Stats.WOBs + 1, Effort: r.effort}
	if !r.State.Terminal() {
		out.WOBs += known.below[r.ID]
	}
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
	entries := s.entries()
	s.mu.Lock()
	root, k, f := s.state.roots[id], s.state.failsafe[id], s.state.last
	out := api.Root{ID: id}
	switch {
	case root != nil:
		if answer == protocols.Found {
			entries = append(entries, entry) // it may be another cluster's
		}
		out = s.describe(root, s.lookUp(entries))
	case answer == protocols.Found:
		out.App, out.Parent, out.State, out.Phase, out.WOBs = entry.App, entry.Parent, ownerState(entry.State), entry.State, 1
		out.Effort = &wob.Effort{Total: entry.Remaining, Remaining: entry.Remaining}
	case k != nil:
		out.App, out.Parent, out.State, out.Phase = k.head.App, k.head.Parent, ownerState(k.head.State), k.head.State
		out.WOBs, out.Effort = k.head.Stats.WOBs+1, &k.head.Effort
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
	if root == nil {
		return ok(out)
	}
	w, err := s.body(r.Context(), wobKey+string(id))
	if err != nil {
		return reply{}, err
	}
	out.Boundary = w.Boundary
	if out.State == api.Failed {
		if w, err = s.body(r.Context(), resultKey+string(id)); err != nil {
			return reply{}, err
		}
		out.Failures = w.Failures
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
