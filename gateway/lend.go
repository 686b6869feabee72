package gateway

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// takeWork is POST /work: it lends a WOB to the caller. Roots come first, in the order
// of their injection: new ones, handed back ones and those whose lease ran out; then
// WOBs of the failsafe store, parents before children. A WOB that was out before comes
// with a raised epoch: the gateway is the roots' parent and alone decides their recovery.
func (s *Server) takeWork(r *http.Request, caller wob.NodeID) (reply, error) {
	var in api.WorkRequest
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	w, lease, f, err := s.lend(r, in.Apps, caller)
	if err == nil && w == nil {
		return noContent, nil
	}
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	s.emit(api.Event{Type: "lent", WOB: w.ID, Peer: string(caller)})
	return ok(api.Work{WOB: w, Lease: lease})
}

// lend chooses a WOB and records that the caller holds it from now on. The WOB is
// read between the two, without s.mu, and chosen anew if it changed
// meanwhile.
func (s *Server) lend(r *http.Request, apps []string, caller wob.NodeID) (*wob.WOB, api.Lease, *flush, error) {
	s.lending.Lock()
	defer s.lending.Unlock()
	for {
		c, last := s.choose(apps, s.index())
		if c.key == "" {
			return nil, api.Lease{}, nil, nil
		}
		if err := last.wait(r.Context()); err != nil {
			return nil, api.Lease{}, nil, err
		}
		w, err := s.body(r.Context(), c.key)
		if !s.still(c) {
			continue
		}
		if err != nil {
			return nil, api.Lease{}, nil, err
		}
		if lease, f, done := s.record(c, w, caller); done {
			return w, lease, f, nil
		}
	}
}

// choice is a WOB that can be lent, and which of its snapshots.
type choice struct {
	id    wob.ID
	key   string // "" for none
	stamp wob.Stamp
}

// choose takes the first WOB that can be lent, and the write to wait for before it is read.
func (s *Server) choose(apps []string, entries []protocols.Entry) (choice, *flush) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shorten(entries)
	ids := s.available(apps, 1, entries)
	if len(ids) == 0 {
		return choice{}, nil
	}
	return s.newest(ids[0]), s.state.last
}

// still reports whether a choice is good still.
func (s *Server) still(c choice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest(c.id) == c
}

// newest tells where the newest snapshot of a WOB lies, "" if it is not to be lent any
// more, and its stamp; s.mu is held.
func (s *Server) newest(id wob.ID) choice {
	r, k := s.state.roots[id], s.state.failsafe[id]
	switch {
	case r != nil && (r.State.Terminal() || r.Lent && r.expires.After(s.cfg.Now())):
		return choice{id: id}
	case k != nil:
		return choice{id, failsafeKey + string(id), k.head.Stamp()}
	case r != nil:
		return choice{id: id, key: wobKey + string(id)}
	}
	return choice{id: id}
}

// shorten ends the leases of roots whose holders the overlay misses once one renewal
// is overdue, too: nobody need wait for the rest. s.mu is held.
func (s *Server) shorten(entries []protocols.Entry) {
	for _, e := range entries {
		r := s.state.roots[e.ID]
		if r != nil && r.Lent && e.Stale && !e.Gone && e.Inc == r.Inc {
			r.expires = earlier(r.expires, r.since.Add(s.cfg.MissingLease))
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// extend gives the root's holder a full new term.
func (r *root) extend(now time.Time, lease time.Duration) {
	r.since, r.expires, r.expired = now, now.Add(lease), false
}

// record makes w the caller's, under a new epoch, unless the choice was overtaken.
func (s *Server) record(c choice, w *wob.WOB, caller wob.NodeID) (api.Lease, *flush, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest(c.id) != c {
		return api.Lease{}, nil, false
	}
	now := s.cfg.Now()
	root, k := s.state.roots[w.ID], s.state.failsafe[w.ID]
	epoch := w.Epoch
	if root != nil {
		epoch = max(epoch, root.Inc.Epoch)
	}
	if k != nil && k.lent != nil {
		epoch = max(epoch, k.lent.Epoch)
	}
	w.Epoch, w.Moves, w.Holder = epoch+1, 0, caller
	if w.State == wob.Lost {
		w.State = wob.Suspended
	}
	inc := w.Incarnation()
	if root == nil {
		k.lent, k.expires = &inc, now.Add(s.cfg.FailsafeLease)
		return s.lease(k.expires, now), s.save(put(lentKey+string(w.ID), inc)), true
	}
	root.Inc, root.Lent, root.State = inc, true, api.Running
	if w.State == wob.Waiting {
		root.State = api.Waiting
	}
	root.version = w.Version
	root.extend(now, s.cfg.Lease)
	return s.lease(root.expires, now), s.save(saveRoot(root)), true
}

func (s *Server) lease(expires, now time.Time) api.Lease {
	return api.Lease{Expires: expires.UTC(), Seconds: expires.Sub(now).Seconds()}
}

// available lists at most n WOBs that can be lent now, in the order of lending.
// The entries are the overlay's, as index returned them; s.mu is held.
func (s *Server) available(apps []string, n int, entries []protocols.Entry) []wob.ID {
	now := s.cfg.Now()
	var free []*root
	for _, r := range s.state.roots {
		if !r.State.Terminal() && (!r.Lent || !r.expires.After(now)) && s.runs(apps, r.App) {
			free = append(free, r)
		}
	}
	slices.SortFunc(free, func(a, b *root) int { return cmp.Compare(a.Serial, b.Serial) })
	var ids []wob.ID
	for _, r := range free[:min(n, len(free))] {
		ids = append(ids, r.ID)
	}
	if len(ids) < n && len(s.state.failsafe) > 0 {
		ids = append(ids, s.orphans(apps, n-len(ids), now, entries)...)
	}
	return ids
}

// runs reports whether one of the applications (name or name@version) runs a WOB of
// app. A WOB that pins no version runs with any.
func (s *Server) runs(apps []string, app string) bool {
	if apps == nil {
		return true
	}
	name, _, pinned := strings.Cut(app, "@")
	return slices.ContainsFunc(apps, func(have string) bool {
		base, _, exact := strings.Cut(have, "@")
		return have == app || base == name && (!pinned || !exact)
	})
}

// orphans lists WOBs of the failsafe store that nobody computes, parents before
// children: a child's result has no taker before its parent runs.
func (s *Server) orphans(apps []string, n int, now time.Time, entries []protocols.Entry) []wob.ID {
	alive := s.alive(entries)
	var ids []wob.ID
	for id, k := range s.state.failsafe {
		switch {
		case s.state.roots[id] != nil: // lent as a root
		case k.head.State == wob.Merged || k.head.State == wob.Cancelled:
		case k.lent != nil && k.expires.After(now), alive[id]:
		case !s.runs(apps, k.head.App), s.lies(k.head.Parent, now, alive):
		default:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(n, len(ids))]
}

// lies reports whether a WOB is in the gateway's hands, not computed by anybody.
func (s *Server) lies(id wob.ID, now time.Time, alive map[wob.ID]bool) bool {
	if r := s.state.roots[id]; r != nil {
		return !r.State.Terminal() && (!r.Lent || !r.expires.After(now))
	}
	k := s.state.failsafe[id]
	return k != nil && (k.lent == nil || !k.expires.After(now)) && !alive[id]
}

// index asks the node beside the gateway for its WOB index, if there are WOBs in the
// failsafe store whose fate depends on it. It may take its time: s.mu is not held.
func (s *Server) index() []protocols.Entry {
	s.mu.Lock()
	o, wanted := s.overlay, false
	for id := range s.state.failsafe {
		wanted = wanted || s.state.roots[id] == nil
	}
	for _, r := range s.state.roots {
		wanted = wanted || r.Lent && !r.State.Terminal()
	}
	s.mu.Unlock()
	if o == nil || !wanted {
		return nil
	}
	return o.Entries()
}

// alive tells which WOBs of the failsafe store the overlay knows to be computed, at
// least as new as the snapshot here. What it knows to be over is dropped. s.mu is held.
func (s *Server) alive(entries []protocols.Entry) map[wob.ID]bool {
	alive := map[wob.ID]bool{}
	for _, e := range entries {
		k := s.state.failsafe[e.ID]
		if k == nil || s.state.roots[e.ID] != nil {
			continue
		}
		inc := k.head.Incarnation()
		if k.lent != nil && inc.Less(*k.lent) {
			inc = *k.lent
		}
		switch {
		case e.Inc.Less(inc):
		case e.Gone:
			s.save(s.forget(e.ID)...)
		case !e.Stale:
			alive[e.ID] = true
		}
	}
	return alive
}
