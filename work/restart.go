package work

import (
	"slices"
	"strings"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

var (
	_ = onInput((*Machine).started)
	_ = onInput((*Machine).view)
)

// started takes over what the local store held. Each WOB is asked about before it is
// computed again (paper, section 3.4.4): it may have been recovered or finished meanwhile.
func (m *Machine) started(in Start) {
	all := slices.Clone(in.Held)
	slices.SortFunc(all, func(a, b *wob.WOB) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, w := range all {
		if sound(w) != nil || m.recs[w.ID] != nil {
			continue
		}
		own := w.Clone()
		if own.State == wob.Running {
			own.State = wob.Suspended
		}
		r := m.adopt(own, checking)
		r.stored = r.newest
		r.timers.Set(recCheck, m.in(m.cfg.ConfirmLost))
		r.timers.Clear(recLease)
	}
}

// check begins to confirm a record after a restart.
func (m *Machine) check(r *rec) {
	if r.phase != checking || r.locating {
		return
	}
	r.timers.Set(recCheck, m.in(locateWait+2*m.cfg.StoreWait)) // should an answer never come
	if r.root() && r.mem.Holder == m.cfg.Self {
		m.renew(r)
		return
	}
	m.confirm(r)
}

// confirm asks the index, then the supervisors, for a newer incarnation. Cut off from
// all of them, the record is gone on with: nothing of it is dispatched before they are back.
func (m *Machine) confirm(r *rec) {
	if !m.joined {
		if r.mem.Holder == m.cfg.Self {
			m.goOnWith(r, nil)
		}
		return
	}
	r.locating = true
	m.locate(r.id(), func(in Located) {
		r.locating = false
		if r.dead || r.phase != checking {
			return
		}
		e := in.Entry
		switch {
		case in.Answer == protocols.Found && e.Gone:
			m.drop(r, "it is over", false)
		case in.Answer == protocols.Found && r.inc().Less(e.Inc) && !e.Stale:
			m.drop(r, "a newer incarnation exists", false)
		default:
			m.confirmBackups(r)
		}
	})
}

func (m *Machine) confirmBackups(r *rec) {
	r.locating = true
	m.findBackup(r.id(), func(best *wob.WOB, gone bool) {
		r.locating = false
		switch {
		case r.dead || r.phase != checking:
		case gone:
			m.drop(r, "it is over", false)
		case best != nil && r.inc().Less(best.Incarnation()):
			m.drop(r, "a newer incarnation exists", false)
		default:
			m.goOnWith(r, best)
		}
	})
}

// goOnWith resumes a record after a restart, under the incarnation it had, from the newest
// of its snapshots. One that was being moved when the node stopped and that nobody else
// has is taken back.
func (m *Machine) goOnWith(r *rec, best *wob.WOB) {
	if best != nil && best.Parent == r.mem.Parent && r.newest.Stamp().Less(best.Stamp()) {
		r.mem = best.Clone()
		if r.mem.State == wob.Running {
			r.mem.State = wob.Suspended
		}
	}
	if r.mem.Holder != m.cfg.Self {
		r.mem.Moves, r.mem.Holder = min(r.mem.Moves+1, wob.MaxCount), m.cfg.Self
	}
	r.newest = r.mem.Clone()
	r.phase = phaseOf(r.mem.State)
	r.ownDone = r.mem.State == wob.Waiting
	r.timers.Clear(recCheck)
	if r.root() {
		r.timers.Set(recLease, m.in(m.cfg.LeaseRenew))
	}
	m.syncKids(r)
	m.announce(r)
	m.startSave(r)
	m.resumed(r)
}

// view takes note of who keeps backups. Those that left are replaced; what a cut-off node
// stored by itself goes out when it is back.
func (m *Machine) view(in View) {
	m.live, m.joined, m.supervisor = slices.Clone(in.Live), in.Joined, in.Supervisor
	for _, r := range slices.Clone(m.list) {
		for _, n := range sortedKeys(r.copies) {
			if !slices.Contains(m.live, n) {
				delete(r.copies, n)
			}
		}
		if r.phase == checking && m.joined {
			m.check(r)
			continue
		}
		m.replicate(r)
	}
}
