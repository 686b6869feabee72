package work

import (
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

var _ = onMessage((*Machine).transferIn)

// maxHeld bounds the records that others may leave with this node.
const maxHeld = 4096

// transferIn takes a WOB that this node asked for, or one that must move and finds a
// supervisor here (paper, section 3.4.4).
func (m *Machine) transferIn(from wob.NodeID, t protocols.Transfer) {
	w := t.WOB
	if err := sound(w); err != nil {
		m.reject(from, t.Kind(), err.Error())
		m.refuse(from, w, wob.Incarnation{}, "invalid WOB")
		return
	}
	if w.Holder != m.cfg.Self {
		m.reject(from, t.Kind(), "meant for another node")
		return
	}
	if e, ok := m.over.get(w.ID); ok && m.recs[w.ID] == nil && !e.Inc.Less(w.Incarnation()) {
		m.unexpect(t.Request, from)
		m.accepted(from, w) // it was here and is done with
		return
	}
	if m.known(from, t) {
		return
	}
	e := m.unexpect(t.Request, from)
	_, runs := m.installed(w.App)
	late := runs && m.canRun(w.App) && (e != nil || m.free() > 0)
	stored := t.Move && m.supervisor && !m.leaving && len(m.recs) < maxHeld
	if !late && !stored {
		m.refuse(from, w, wob.Incarnation{}, "not wanted")
		return
	}
	own := w.Clone()
	if own.State == wob.Running {
		own.State = wob.Suspended
	}
	r := m.adopt(own, phaseOf(own.State))
	if e != nil {
		r.waited = e.since
	}
	m.report(Received{WOB: w.ID, From: from, Effort: w.Effort, Whole: t.Move})
	m.announce(r)
	r.owed = append(r.owed, from)
	if t.Move {
		m.startSave(r)
		m.resumed(r)
		return
	}
	r.parentAt = from
	m.keepBirth(r)
}

// keepBirth stores a child here before its arrival is acknowledged; the supervisors have
// its birth WOB already. Meanwhile it may begin.
func (m *Machine) keepBirth(r *rec) {
	r.stored = r.newest
	r.timers.Set(recResend, m.in(m.jitter(max(m.cfg.ChildCheck/2, m.cfg.Resend))))
	token := m.token()
	m.onStored[token] = func(in Stored) {
		if !r.dead && in.Err == "" {
			m.ackTransfers(r)
		}
	}
	m.emit(Store{Token: token, Hold: []*wob.WOB{r.newest}})
}

// known handles a transfer of a WOB that this node has already.
func (m *Machine) known(from wob.NodeID, t protocols.Transfer) bool {
	r := m.recs[t.WOB.ID]
	if r == nil {
		return false
	}
	switch c := r.inc().Compare(t.WOB.Incarnation()); {
	case c == 0 && len(r.owed) > 0: // acknowledged when it is stored
	case c == 0:
		m.accepted(from, t.WOB)
	case c > 0 || r.phase == finished:
		m.refuse(from, t.WOB, r.inc(), "a newer incarnation is here")
	default:
		m.drop(r, "a newer incarnation exists", false)
		return false
	}
	m.unexpect(t.Request, from)
	return true
}

func (m *Machine) accepted(to wob.NodeID, w *wob.WOB) {
	m.send(to, nil, protocols.TransferAck{WOB: w.ID, Inc: w.Incarnation(), OK: true})
}

func (m *Machine) refuse(to wob.NodeID, w *wob.WOB, inc wob.Incarnation, reason string) {
	if w.ID.Valid() {
		m.send(to, nil, protocols.TransferAck{WOB: w.ID, Inc: inc, Reason: reason})
	}
}

// ackTransfers acknowledges the arrival of a record that is now stored.
func (m *Machine) ackTransfers(r *rec) {
	for _, n := range r.owed {
		m.accepted(n, r.newest)
	}
	r.owed = nil
}
