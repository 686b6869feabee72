package gateway

import (
	"net/http"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

// expire reports leases that ran out since the last look and wakes idle nodes.
func (s *Server) expire() {
	now := s.cfg.Now()
	var ran []wob.ID
	s.mu.Lock()
	for _, r := range s.state.roots {
		if r.Lent && !r.expired && !r.State.Terminal() && !r.expires.After(now) {
			r.expired = true
			ran = append(ran, r.ID)
		}
	}
	for id, k := range s.state.failsafe {
		if k.lent != nil && k.expires.Before(now) && k.expires.Add(2*time.Second).After(now) && s.state.roots[id] == nil {
			ran = append(ran, id)
		}
	}
	if len(ran) > 0 {
		s.save(s.raise())
	}
	s.mu.Unlock()
	slices.Sort(ran)
	for _, id := range ran {
		s.emit(api.Event{Type: "expired", WOB: id})
	}
	if len(ran) > 0 {
		s.tell()
	}
}

// renew is PUT /roots/{id}/lease.
func (s *Server) renew(r *http.Request, caller wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	var in api.Renewal
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if in.Effort != nil {
		if err := in.Effort.Check(); err != nil {
			return reply{}, invalid("effort", "", "%v", err)
		}
	}
	if in.Inc.Holder != caller {
		return reply{}, problem(http.StatusForbidden, api.CodeForbidden, "", "the lease of %.64q is not %s's to renew", in.Inc.Holder, caller)
	}
	lease, f, err := s.renewed(id, in)
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	s.emit(api.Event{Type: "renewed", WOB: id, Peer: string(caller), Data: details(in)})
	return ok(lease)
}

// renewed extends the loan. Only a change of hands is written: a restart
// of the gateway gives every lease a new term anyway.
func (s *Server) renewed(id wob.ID, in api.Renewal) (api.Lease, *flush, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	root := s.state.roots[id]
	if root == nil {
		return s.renewKept(id, in, now)
	}
	changed, err := root.claim(in.Inc)
	if err != nil {
		return api.Lease{}, nil, err
	}
	root.version, root.effort = in.Version, in.Effort
	root.extend(now, s.cfg.Lease)
	f := s.state.last
	if changed {
		f = s.save(saveRoot(root))
	}
	return s.lease(root.expires, now), f, nil
}

func (s *Server) renewKept(id wob.ID, in api.Renewal, now time.Time) (api.Lease, *flush, error) {
	k := s.state.failsafe[id]
	switch {
	case k == nil:
		return api.Lease{}, nil, notFound("there is no root %s here", id)
	case k.lent != nil && in.Inc.Less(*k.lent):
		return api.Lease{}, nil, superseded(id, *k.lent)
	case in.Inc.Less(k.head.Incarnation()):
		return api.Lease{}, nil, superseded(id, k.head.Incarnation())
	}
	f := s.state.last
	if k.lent == nil || *k.lent != in.Inc {
		f = s.save(put(lentKey+string(id), in.Inc))
	}
	k.lent, k.expires = &in.Inc, now.Add(s.cfg.FailsafeLease)
	return s.lease(k.expires, now), f, nil
}

// claim checks that an incarnation may hold the root, and makes it the one that does.
// One above the known one holds it after a migration, or after the gateway lost its
// newest records; two of one epoch and move are not both right, the known one stays.
func (r *root) claim(inc wob.Incarnation) (changed bool, err error) {
	same := r.Inc.Epoch == inc.Epoch && r.Inc.Moves == inc.Moves
	switch {
	case r.State == api.Cancelled:
		return false, problem(http.StatusGone, api.CodeCancelled, "suspend it and cancel its children", "%s was cancelled", r.ID)
	case r.State.Terminal():
		return false, superseded(r.ID, r.Inc)
	case inc.Less(r.Inc), same && inc != r.Inc && r.Inc.Holder != "":
		return false, superseded(r.ID, r.Inc)
	}
	changed = inc != r.Inc || !r.Lent
	r.Inc, r.Lent = inc, true
	if r.State == api.Queued {
		r.State = api.Running
	}
	return changed, nil
}

func superseded(id wob.ID, inc wob.Incarnation) error {
	p := problem(http.StatusConflict, api.CodeSuperseded, "drop this copy",
		"a newer incarnation of %s is known: epoch %d, move %d, held by %s", id, inc.Epoch, inc.Moves, inc.Holder)
	p.Incarnation = &inc
	return p
}

// release is DELETE /roots/{id}/lease: the holder hands the root back, and the next
// POST /work gets it at once.
func (s *Server) release(r *http.Request, caller wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	var in api.Release
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if in.Inc.Holder != caller {
		return reply{}, problem(http.StatusForbidden, api.CodeForbidden, "", "the lease of %.64q is not %s's to release", in.Inc.Holder, caller)
	}
	f, err := s.released(id, in.Inc)
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	s.emit(api.Event{Type: "released", WOB: id, Peer: string(caller)})
	s.tell()
	return noContent, nil
}

func (s *Server) released(id wob.ID, inc wob.Incarnation) (*flush, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	root, k := s.state.roots[id], s.state.failsafe[id]
	switch {
	case root != nil:
		if root.State.Terminal() {
			return s.state.last, nil // nothing to hand back
		}
		if _, err := root.claim(inc); err != nil {
			return nil, err
		}
		root.Lent, root.State = false, api.Queued
		return s.save(saveRoot(root), s.raise()), nil
	case k == nil:
		return nil, notFound("there is no root %s here", id)
	case k.lent != nil && inc.Less(*k.lent):
		return nil, superseded(id, *k.lent)
	}
	k.lent, k.expires = &inc, time.Time{} // its epoch is kept: the next one is higher
	return s.save(put(lentKey+string(id), inc), s.raise()), nil
}
