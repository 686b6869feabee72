package work

import (
	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// handOver moves a packed record whole to another node: the intent is stored before the
// first transfer is sent, and the record is not computed here again unless it is refused.
func (m *Machine) handOver(r *rec, to wob.NodeID, request string) {
	m.declineQueue(r, "leaving")
	w := r.newest.Clone()
	w.Moves, w.Holder = min(w.Moves+1, wob.MaxCount), to
	w.Stats.Add(wob.Stats{Moves: 1})
	r.phase = moving
	t := &transfer{w: w, to: to, request: request, rec: r, at: core.Never}
	m.transfers[r.id()] = t
	token := m.token()
	m.onStored[token] = func(in Stored) {
		switch {
		case r.dead || m.transfers[r.id()] != t:
		case in.Err != "":
			m.stay(t)
		default:
			m.sendTransfer(t)
		}
	}
	m.emit(Store{Token: token, Hold: []*wob.WOB{w}, Sync: true})
}

// movedAway ends a record that another node has now.
func (m *Machine) movedAway(r *rec, t *transfer) {
	m.report(Moved{WOB: r.id(), To: t.to})
	for _, res := range r.results { // they are merged where the parent is now
		if res.from != "" {
			m.finishedAck(res.from, res.w, wob.Incarnation{}, verdictElsewhere)
		}
	}
	m.forget(r, false)
	e := m.entry(r)
	e.Inc = t.w.Incarnation() // a late duplicate of its own transfer is known
	m.over.add(e)
}

// stay takes a record back that was not taken. Its incarnation orders above that of the
// copy which may be under way.
func (m *Machine) stay(t *transfer) {
	r := t.rec
	delete(m.transfers, r.id())
	r.tried = append(r.tried, t.to)
	r.mem.Moves, r.mem.Holder = min(t.w.Moves+1, wob.MaxCount), m.cfg.Self
	r.newest = r.mem.Clone()
	r.phase = phaseOf(r.mem.State)
	m.syncKids(r)
	m.announce(r)
	if r.save == nil {
		m.startSave(r)
	}
}

// findMoved asks the index whether a receiver that is out of reach holds the WOB.
func (m *Machine) findMoved(t *transfer) {
	t.at = t.resend.next(m)
	if t.locating {
		return
	}
	t.locating = true
	r := t.rec
	m.locate(r.id(), func(in Located) {
		t.locating = false
		if r.dead || m.transfers[r.id()] != t {
			return
		}
		has := in.Answer == protocols.Found && !in.Entry.Inc.Less(t.w.Incarnation())
		switch {
		case has && !in.Entry.Stale:
			m.movedAway(r, t)
		case in.Answer == protocols.Unknown:
			m.sendTransfer(t)
		default:
			m.stay(t)
		}
	})
}
