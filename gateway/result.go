package gateway

import (
	"net/http"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/wob"
)

// putResult is PUT /roots/{id}/result. Any incarnation's complete result is right
// (S1-S4), so the first one wins; later ones are acknowledged and dropped.
func (s *Server) putResult(r *http.Request, caller wob.NodeID) (reply, error) {
	w, _, err := readWOB(r)
	if err != nil {
		return reply{}, err
	}
	if w.State != wob.Finished && w.State != wob.Failed && w.State != wob.Cancelled {
		return reply{}, invalid("state", "", "a result is finished, failed or cancelled, not %s", w.State)
	}
	injected, err := s.injected(r, w.ID)
	if err != nil {
		return reply{}, err
	}
	f, accepted, err := s.finish(w, injected)
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	if accepted {
		s.emit(api.Event{Type: "result", WOB: w.ID, Peer: string(caller), Data: details(map[string]any{"state": w.State})})
	}
	return ok(api.Accepted{Accepted: accepted})
}

// injected reads a root as it was injected, nil if there is none.
func (s *Server) injected(r *http.Request, id wob.ID) (*wob.WOB, error) {
	s.mu.Lock()
	known, last := s.state.roots[id] != nil, s.state.last
	s.mu.Unlock()
	if !known {
		return nil, nil //nolint:nilnil // the caller asks by it
	}
	if err := last.wait(r.Context()); err != nil {
		return nil, err
	}
	return s.body(r.Context(), wobKey+string(id))
}

// finish takes a result.
func (s *Server) finish(w, injected *wob.WOB) (f *flush, accepted bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	root := s.state.roots[w.ID]
	switch {
	case root == nil && s.state.failsafe[w.ID] != nil:
		// The result of a failsafe WOB went to its parent; the snapshot is not needed.
		return s.save(s.forget(w.ID)...), true, nil
	case root == nil:
		return nil, false, notFound("there is no root %s here", w.ID)
	case root.State.Terminal():
		return s.state.last, false, nil
	case w.Parent != "":
		return nil, false, invalid("parent", "", "%s is a root and has no parent", w.ID)
	case !w.Boundary.Equal(injected.Boundary):
		return nil, false, invalid("boundary", "", "%s was injected with another boundary", w.ID)
	case w.State == wob.Cancelled:
		return nil, false, invalid("state", "", "%s was not cancelled by its owner", w.ID)
	case w.State == wob.Failed && w.Incarnation().Less(root.Inc):
		return nil, false, superseded(w.ID, root.Inc)
	}
	// What is kept is the answer, not the way to it.
	end := &wob.WOB{ID: w.ID, App: w.App, Epoch: w.Epoch, Moves: w.Moves, Holder: w.Holder, Version: w.Version, State: w.State,
		Boundary: w.Boundary, Result: w.Result, Meta: w.Meta, Effort: w.Effort, Failures: w.Failures, Stats: w.Stats}
	encoded, err := end.Encode()
	if err != nil {
		return nil, false, invalid("", "", "%v", err)
	}
	state := api.Finished
	if w.State == wob.Failed {
		state = api.Failed
	}
	if root.Inc.Less(w.Incarnation()) {
		root.Inc = w.Incarnation()
	}
	root.Stats = w.Stats
	return s.save(append(s.end(root, state), store.Put(resultKey+string(w.ID), encoded))...), true, nil
}

// getResult is GET /wobs/{id}/result: 202 while it runs, 200 in a terminal state.
func (s *Server) getResult(r *http.Request, _ wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	root := s.state.roots[id]
	if root == nil {
		s.mu.Unlock()
		return reply{}, s.noRoot(id)
	}
	out := api.Result{ID: id, State: root.State, Seconds: root.seconds(s.cfg.Now()), Stats: root.Stats, WOBs: root.Stats.WOBs + 1}
	f := s.state.last
	s.mu.Unlock()
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	if !out.State.Terminal() {
		return reply{http.StatusAccepted, out}, nil
	}
	if out.State == api.Cancelled {
		return ok(out)
	}
	w, err := s.body(r.Context(), resultKey+string(id))
	if err != nil {
		return reply{}, err
	}
	out.Stats, out.WOBs, out.Failures = w.Stats, w.Stats.WOBs+1, w.Failures
	if out.State == api.Finished {
		out.Result = w.Result
	}
	return ok(out)
}
