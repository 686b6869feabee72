package work

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// resend is a pause that doubles.
type resend struct{ pause time.Duration }

func (s *resend) next(m *Machine) core.Time {
	s.pause = min(max(s.pause*2, m.cfg.Resend), m.cfg.ResendMax)
	return m.in(m.jitter(s.pause))
}

var (
	_ = onMessage((*Machine).finishedAckIn)
	_ = onMessage((*Machine).statusIn)
	_ = onMessage((*Machine).statusAck)
)

// deliverUp brings a finished WOB to the holder of its parent, or a root to the gateway,
// again and again until it is acknowledged.
func (m *Machine) deliverUp(r *rec) {
	r.timers.Set(recResend, r.resend.next(m))
	if r.root() { // the owner waits for it: not longer than an idle slot waits for work
		r.timers.Set(recResend, min(r.timers[recResend], m.in(m.cfg.AskMax)))
		m.putResult(r)
		return
	}
	m.withParent(r, func(at wob.NodeID, addrs []string) {
		m.send(at, addrs, protocols.Finished{WOB: r.newest})
	})
}

// withParent calls f with the place of the parent, which is looked up if it is not known.
func (m *Machine) withParent(r *rec, f func(wob.NodeID, []string)) {
	if p := m.recs[r.mem.Parent]; p != nil && p.phase != moving {
		f(m.cfg.Self, nil)
		return
	}
	if r.parentAt != "" && r.parentAt != m.cfg.Self {
		f(r.parentAt, r.parentAddrs)
		return
	}
	if r.locating {
		return
	}
	r.locating = true
	m.locate(r.mem.Parent, func(in Located) {
		r.locating = false
		if r.dead {
			return
		}
		switch {
		case in.Entry.Gone:
			m.orphaned(r)
			return
		case in.Answer == protocols.Absent:
			m.parentAbsent(r)
			return
		case in.Answer == protocols.Found:
			r.orphan, r.absent = 0, 0
		}
		if in.Answer != protocols.Found || in.Entry.Inc.Holder == m.cfg.Self {
			return
		}
		r.parentAt, r.parentAddrs = in.Entry.Inc.Holder, in.Entry.Addrs
		if r.parentAt != "" {
			f(r.parentAt, r.parentAddrs)
		}
	})
}

// orphaned drops a WOB whose parent is over, after it was told so twice: nobody wants its
// result. The newest incarnation of the parent has merged, reclaimed or given up its part.
func (m *Machine) orphaned(r *rec) {
	if r.orphan++; r.orphan >= 2 && r.phase != moving && r.phase != checking {
		m.drop(r, "its parent is over", true)
	}
}

// parentAbsent drops a WOB whose parent is in no index for LostAfter: its grandparent was
// recovered from before the parent was born, and so its part is computed under another id.
func (m *Machine) parentAbsent(r *rec) {
	switch {
	case r.absent == 0:
		r.absent = m.now
	case m.now.Sub(r.absent) >= m.cfg.LostAfter && r.phase != moving && r.phase != checking:
		m.drop(r, "its parent is lost", true)
	}
}

// finishedAckIn ends a finished WOB: merged, or not listed and thus discarded (S2).
func (m *Machine) finishedAckIn(from wob.NodeID, ack protocols.FinishedAck) {
	r := m.recs[ack.Child]
	if r == nil || r.phase != finished && r.phase != moving || r.mem.Parent != ack.Parent {
		return
	}
	switch {
	case r.mem.State != wob.Finished && r.mem.State != wob.Failed && r.mem.State != wob.Cancelled:
	case ack.Verdict == verdictElsewhere:
		if from == r.parentAt {
			r.parentAt = ""
		}
		if r.save == nil && r.phase == finished { // look for it soon, though not in a tight loop
			r.timers.Set(recResend, min(r.timers[recResend], m.in(m.jitter(max(m.cfg.Resend, r.resend.pause/4)))))
		}
	case ack.Inc.Less(r.parentInc): // an older incarnation of the parent has no say
		m.reject(from, ack.Kind(), "an older incarnation of the parent")
		r.parentAt = "" // is there a newer one still? the index may tell
	default:
		m.report(Acked{WOB: r.id(), Verdict: ack.Verdict})
		m.forget(r, true)
	}
}

// status tells the parent that the child lives and asks whether it is still listed.
func (m *Machine) status(r *rec) {
	if r.root() || r.phase == moving || r.phase == checking {
		return
	}
	m.withParent(r, func(at wob.NodeID, addrs []string) {
		m.send(at, addrs, protocols.Status{
			Child: r.id(), Parent: r.mem.Parent, Inc: r.inc(), Version: r.newest.Version, Effort: r.newest.Effort,
		})
	})
	if r.phase != finished {
		r.timers.Set(recResend, m.in(m.jitter(max(m.cfg.ChildCheck/2, m.cfg.Resend))))
	}
}

func (m *Machine) statusIn(from wob.NodeID, s protocols.Status) {
	ack := protocols.StatusAck{Child: s.Child, Parent: s.Parent}
	r := m.recs[s.Parent]
	if r == nil || r.phase == moving {
		m.send(from, nil, ack)
		return
	}
	if r.phase == checking {
		return
	}
	ack.Inc, ack.Holds = r.inc(), true
	if c := r.mem.Lookup(s.Child); c != nil && c.State != wob.Merged {
		ack.Listed = true
		m.bornAlive(r, s.Child)
		if k := r.kids[s.Child]; k != nil {
			k.voice = m.now
			k.heardFrom(m, from, s.Inc, nil)
			ack.Newest = k.inc
		}
	}
	m.send(from, nil, ack)
}

// statusAck stops a child that the newest parent does not list, or of which there is a
// newer incarnation.
func (m *Machine) statusAck(from wob.NodeID, ack protocols.StatusAck) {
	r := m.recs[ack.Child]
	if r == nil || r.mem.Parent != ack.Parent || r.phase == moving {
		return
	}
	if !ack.Holds {
		if from == r.parentAt {
			r.parentAt = ""
		}
		return
	}
	if ack.Inc.Less(r.parentInc) {
		r.parentAt = ""
		return
	}
	r.parentInc = ack.Inc
	if from != m.cfg.Self {
		r.parentAt = from
	}
	switch {
	case r.phase == finished || r.phase == checking:
	case !ack.Listed:
		m.drop(r, "not listed by its parent", true)
	case r.inc().Less(ack.Newest):
		m.supersede(r, ack.Newest)
	}
}

// supersede drops a copy of which a newer incarnation exists. A finished one stays: the
// first complete result wins, whoever computed it.
func (m *Machine) supersede(r *rec, inc wob.Incarnation) {
	switch {
	case !r.inc().Less(inc):
		return
	case r.phase == finished:
		if r.save != nil { // supervisors refuse it, so its parent must store it
			r.save = nil
			r.timers.Clear(recSave)
			m.deliverUp(r)
		}
		return
	}
	if t := m.transfers[r.id()]; r.phase == moving && t != nil {
		if t.w.Incarnation() == inc {
			m.movedAway(r, t)
			return
		}
	}
	m.drop(r, "a newer incarnation exists", false)
}

var _ = onInput(func(m *Machine, in NewerKnown) {
	r := m.recs[in.Entry.ID]
	switch {
	case r == nil:
	case in.Entry.Gone && !in.Entry.Inc.Less(r.inc()) && r.phase != finished && r.phase != moving:
		m.drop(r, "it is over", false)
	default:
		m.supersede(r, in.Entry.Inc)
	}
})
