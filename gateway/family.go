package gateway

import (
	"net/http"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// entries asks the node beside the gateway for its WOB index; s.mu is not held, since it
// may take its time.
func (s *Server) entries() []protocols.Entry {
	s.mu.Lock()
	o := s.overlay
	s.mu.Unlock()
	if o == nil {
		return nil
	}
	return o.Entries()
}

// family is what the overlay's index and the failsafe store know of the roots' trees.
type family struct {
	parent map[wob.ID]wob.ID // of every WOB known, tombstones too
	entry  map[wob.ID]protocols.Entry
	below  map[wob.ID]uint64 // of each topmost WOB: the live ones below it
	top    map[wob.ID]wob.ID // what root found out
}

// lookUp sorts entries and failsafe WOBs by the trees they belong to; s.mu is held.
func (s *Server) lookUp(entries []protocols.Entry) *family {
	f := &family{parent: map[wob.ID]wob.ID{}, entry: map[wob.ID]protocols.Entry{}, below: map[wob.ID]uint64{},
		top: map[wob.ID]wob.ID{}}
	alive := map[wob.ID]bool{}
	for id, k := range s.state.failsafe {
		f.parent[id], alive[id] = k.head.Parent, true
	}
	for _, e := range entries {
		if have, known := f.entry[e.ID]; known && e.Inc.Less(have.Inc) {
			continue
		}
		f.parent[e.ID], f.entry[e.ID] = e.Parent, e
		alive[e.ID] = !e.Gone
	}
	for id, yes := range alive {
		if top := f.root(id); yes && top != id {
			f.below[top]++
		}
	}
	return f
}

// root climbs from a WOB to the topmost one that is known of its tree. Parents come from
// many nodes and may contradict each other: it stops where they go round.
func (f *family) root(id wob.ID) wob.ID {
	var path []wob.ID
	for range maxDepth {
		if top, known := f.top[id]; known {
			id = top
			break
		}
		up := f.parent[id]
		if up == "" {
			break
		}
		path, id = append(path, id), up
	}
	for _, p := range path {
		f.top[p] = id
	}
	return id
}

// phase is the state that a lent root's holder told the overlay, empty if nothing newer
// than what the gateway knows itself.
func (f *family) phase(r *root) wob.State {
	e, known := f.entry[r.ID]
	if !known || e.Gone || !r.Lent || e.Inc.Less(r.Inc) || r.State.Terminal() {
		return ""
	}
	return e.State
}

// noRoot is the problem of a call for roots that names another WOB.
func (s *Server) noRoot(id wob.ID) error {
	entries := s.entries()
	s.mu.Lock()
	defer s.mu.Unlock()
	job := s.lookUp(entries).root(id)
	if job == id || s.state.roots[job] == nil {
		return notFound("there is no root %s here", id)
	}
	return problem(http.StatusNotFound, api.CodeNotFound, "name the job", "%s is no job, but a part of job %s", id, job)
}
