package gateway

import (
	"net/http"
	"slices"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/wob"
)

// putFailsafe is PUT /failsafe/{id}: it keeps the newest snapshot of a WOB that could
// be lost otherwise: those of a dissolving cluster, and every checkpoint of a root.
func (s *Server) putFailsafe(r *http.Request, caller wob.NodeID) (reply, error) {
	w, body, err := readWOB(r)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	isRoot := s.state.roots[w.ID] != nil
	s.mu.Unlock()
	if isRoot && (w.State == wob.Finished || w.State == wob.Failed) {
		return s.putEnded(r, w, caller) // the end of a root by another way
	}
	f, created, err := s.keep(w, body, caller)
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	s.emit(api.Event{Type: "failsafe", WOB: w.ID, Peer: string(caller),
		Data: details(map[string]any{"version": w.Version, "effort": w.Effort})})
	s.tell()
	if created {
		return reply{http.StatusCreated, map[string]any{"id": w.ID}}, nil
	}
	return ok(map[string]any{"id": w.ID})
}

func (s *Server) putEnded(r *http.Request, w *wob.WOB, caller wob.NodeID) (reply, error) {
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
	return ok(map[string]any{"id": w.ID})
}

// keep stores a snapshot if it is new.
func (s *Server) keep(w *wob.WOB, body []byte, caller wob.NodeID) (f *flush, created bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.welcome(w); err != nil {
		return nil, false, err
	}
	have := s.state.failsafe[w.ID]
	if have != nil {
		if stamp := have.head.Stamp(); w.Stamp().Less(stamp) {
			p := problem(http.StatusConflict, api.CodeSuperseded, "", "a newer snapshot of %s is stored: epoch %d, move %d, version %d",
				w.ID, stamp.Epoch, stamp.Moves, stamp.Version)
			p.Stamp = &stamp
			return nil, false, p
		} else if w.Stamp() == stamp {
			return s.state.last, false, nil
		}
	}
	if err := s.room(); err != nil {
		return nil, false, err
	}
	k := &kept{head: header(w)}
	if have != nil && have.lent != nil && !have.lent.Less(w.Incarnation()) {
		k.lent, k.expires = have.lent, have.expires // from whom it was lent to
	}
	s.state.failsafe[w.ID] = k
	ops := []store.Op{store.Put(failsafeKey+string(w.ID), body)}
	if k.lent == nil {
		ops = append(ops, store.Del(lentKey+string(w.ID)))
	}
	if root := s.state.roots[w.ID]; root != nil {
		ops = append(ops, s.checkpointed(root, w, caller)...)
	} else if k.lent == nil {
		ops = append(ops, s.raise()) // it may be had
	}
	return s.save(ops...), have == nil, nil
}

// checkpointed notes the checkpoint of a root: a sign of life, if it is the holder's.
func (s *Server) checkpointed(r *root, w *wob.WOB, caller wob.NodeID) []store.Op {
	r.version, r.Stats = w.Version, w.Stats
	state := r.State
	if r.Lent {
		state = api.Running
		if w.State == wob.Waiting {
			state = api.Waiting
		}
		if w.Holder == caller {
			r.extend(s.cfg.Now(), s.cfg.Lease)
		}
	}
	if inc := w.Incarnation(); inc != r.Inc || state != r.State {
		r.Inc, r.State = inc, state
		return []store.Op{saveRoot(r)}
	}
	return nil
}

// welcome refuses what is over or superseded as far as the gateway knows; s.mu is held.
func (s *Server) welcome(w *wob.WOB) error {
	if r := s.state.roots[w.ID]; r != nil {
		switch {
		case r.State == api.Cancelled:
			return problem(http.StatusGone, api.CodeCancelled, "suspend it and cancel its children", "%s was cancelled", r.ID)
		case r.State.Terminal(), w.Incarnation().Less(r.Inc):
			return superseded(w.ID, r.Inc)
		case w.Parent != "":
			return invalid("parent", "", "%s is a root and has no parent", w.ID)
		}
		return nil
	}
	if w.Parent == "" {
		return notFound("there is no root %s here", w.ID)
	}
	seen := map[wob.ID]bool{}
	for id := w.Parent; id != "" && !seen[id]; {
		seen[id] = true
		if r := s.state.roots[id]; r != nil {
			if r.State.Terminal() {
				return problem(http.StatusGone, api.CodeCancelled, "drop it", "%s belongs to %s, which is %s", w.ID, id, r.State)
			}
			return nil
		}
		if s.state.failsafe[id] == nil {
			return nil // its ancestors are elsewhere
		}
		id = s.state.failsafe[id].head.Parent
	}
	return nil
}

// listFailsafe is GET /failsafe.
func (s *Server) listFailsafe(r *http.Request, _ wob.NodeID) (reply, error) {
	out := api.FailsafeList{WOBs: []api.FailsafeEntry{}}
	s.mu.Lock()
	for id, k := range s.state.failsafe {
		out.WOBs = append(out.WOBs, api.FailsafeEntry{ID: id, App: k.head.App, Parent: k.head.Parent, State: k.head.State,
			Stamp: k.head.Stamp(), Effort: k.head.Effort})
	}
	f := s.state.last
	s.mu.Unlock()
	slices.SortFunc(out.WOBs, func(a, b api.FailsafeEntry) int { return compareIDs(a.ID, b.ID) })
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	return ok(out)
}

// getFailsafe is GET /failsafe/{id}.
func (s *Server) getFailsafe(r *http.Request, _ wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	known, f := s.state.failsafe[id] != nil, s.state.last
	s.mu.Unlock()
	if !known {
		return reply{}, notFound("the failsafe store has no WOB %s", id)
	}
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	b, err := s.kv.Get(r.Context(), failsafeKey+string(id))
	if err != nil {
		return reply{}, unavailable(err)
	}
	return ok(b)
}
