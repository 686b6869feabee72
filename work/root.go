package work

import (
	"time"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// HTTP statuses of the gateway's answers that mean more than "try again".
const (
	statusSuperseded = 409
	statusCancelled  = 410
)

func ok(status int) bool { return status >= 200 && status < 300 }

var (
	_ = onInput(func(m *Machine, in GatewayAnswer) {
		if f := m.onGateway[in.Token]; f != nil {
			delete(m.onGateway, in.Token)
			f(in)
		}
	})
	_ = onMessage((*Machine).cancelIn)
)

// gateway prepares for the answer to an effect about r.
func (m *Machine) gateway(r *rec, f func(GatewayAnswer)) uint64 {
	token := m.token()
	m.onGateway[token] = func(in GatewayAnswer) {
		if !r.dead {
			f(in)
		}
	}
	return token
}

// renew renews the lease of a root. The gateway alone decides who holds it.
func (m *Machine) renew(r *rec) {
	r.timers.Set(recLease, m.in(m.jitter(m.cfg.LeaseRenew)))
	if r.lease || r.phase == moving {
		return
	}
	r.lease = true
	token := m.gateway(r, func(in GatewayAnswer) {
		r.lease = false
		if in.Err == "" {
			m.leaseAnswer(r, in.Status)
		}
		if r.phase == checking && !r.dead {
			m.confirm(r)
		}
	})
	m.emit(RenewLease{Token: token, Stamp: r.newest.Stamp(), ID: r.id(), Effort: r.newest.Effort})
}

func (m *Machine) leaseAnswer(r *rec, status int) {
	switch {
	case ok(status):
		r.confirmed = true
	case status == statusCancelled:
		m.cancel(r)
	case status == statusSuperseded && r.phase != finished:
		m.drop(r, "the gateway lent it to another node", false)
	}
}

// putResult delivers a root, again and again until the gateway has it.
func (m *Machine) putResult(r *rec) {
	token := m.gateway(r, func(in GatewayAnswer) {
		switch {
		case in.Err != "":
		case ok(in.Status):
			m.report(Acked{WOB: r.id(), Verdict: verdictMerged})
			m.forget(r, true)
		case in.Status == statusCancelled:
			m.cancel(r)
		case in.Status == statusSuperseded:
			m.drop(r, "the gateway has another result", false)
		}
	})
	m.emit(PutResult{Token: token, WOB: r.newest})
}

// failsafeEvery is the least time between two snapshots of one root at the gateway: a root
// that splits all the time has a new one every few milliseconds.
const failsafeEvery = 250 * time.Millisecond

// putFailsafe gives the gateway the newest snapshot of a root: best effort, one at a time.
func (m *Machine) putFailsafe(r *rec) {
	if !r.root() || r.phase == finished || r.stored.Version == 0 && len(r.stored.Children) == 0 {
		return
	}
	if r.failsafe {
		r.unsaved = true
		return
	}
	if r.failsafeAt > m.now {
		r.timers.Set(recFailsafe, r.failsafeAt)
		return
	}
	r.failsafe, r.unsaved, r.failsafeAt = true, false, m.in(failsafeEvery)
	token := m.gateway(r, func(in GatewayAnswer) {
		r.failsafe = false
		if in.Err == "" && !ok(in.Status) {
			m.leaseAnswer(r, in.Status)
		}
		if !r.dead && r.unsaved {
			m.putFailsafe(r)
		}
	})
	m.emit(PutFailsafe{Token: token, WOB: r.stored})
}

// cancelMany is how many WOBs one message cancels.
const cancelMany = 1024

// cancel ends a WOB whose root the owner cancelled, and tells the holders of its children.
func (m *Machine) cancel(r *rec) {
	byHolder := map[wob.NodeID][]wob.ID{}
	for _, id := range r.mem.Out() {
		if own := m.recs[id]; own != nil && own.mem.Parent == r.id() {
			m.cancel(own)
			continue
		}
		k := r.kids[id]
		if k == nil || k.holder == "" || k.holder == m.cfg.Self {
			m.cancelFound(r.id(), id)
			continue
		}
		byHolder[k.holder] = append(byHolder[k.holder], id)
	}
	for _, n := range sortedKeys(byHolder) {
		for ids := byHolder[n]; len(ids) > 0; {
			some := ids[:min(len(ids), cancelMany)]
			ids = ids[len(some):]
			m.send(n, nil, protocols.Cancel{Parent: r.id(), WOBs: some})
		}
	}
	m.drop(r, "cancelled", true)
}

// cancelFound looks a child up whose place is not known. If it is missed, it learns from
// its next status that nobody lists it.
func (m *Machine) cancelFound(parent, child wob.ID) {
	m.locate(child, func(in Located) {
		if in.Answer == protocols.Found && !in.Entry.Gone && in.Entry.Inc.Holder != m.cfg.Self {
			m.send(in.Entry.Inc.Holder, in.Entry.Addrs, protocols.Cancel{Parent: parent, WOBs: []wob.ID{child}})
		}
	})
}

// cancelIn heeds a cancellation only for children of the parent it names.
func (m *Machine) cancelIn(from wob.NodeID, c protocols.Cancel) {
	for _, id := range c.WOBs {
		r := m.recs[id]
		switch {
		case r == nil:
		case r.mem.Parent != c.Parent:
			m.reject(from, c.Kind(), "not a child of that parent")
		default:
			m.cancel(r)
		}
	}
}
