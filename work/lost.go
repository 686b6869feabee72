package work

import (
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

var (
	_ = onReply(appapi.OnWOBChildLost, (*Machine).lostAnswered)
	_ = onReply(appapi.OnWOBChildReturn, (*Machine).childReturned)
)

// lost handles a child that two queries did not find: its newest backup is looked for,
// and the application, if it has the parent loaded, decides what to do.
func (m *Machine) lost(r *rec, k *kid) {
	k.busy = true
	m.findBackup(k.id, func(best *wob.WOB, _ bool) {
		k.busy = false
		if r.dead || r.kids[k.id] != k {
			return
		}
		if k.misses == 0 && k.unknown == core.Never { // it was heard of meanwhile
			return
		}
		m.decideLost(r, k, best)
	})
}

func (m *Machine) decideLost(r *rec, k *kid, best *wob.WOB) {
	c := r.mem.Lookup(k.id)
	if c == nil || c.State == wob.Merged || r.find(k.id) != nil || slices.Contains(r.returns, k.id) {
		return
	}
	if best != nil && (best.Parent != r.id() || !c.Boundary.Equal(best.Boundary)) {
		best = nil
	}
	switch {
	case best != nil && best.State == wob.Finished: // its result is in the backup
		m.admit(r, best, "")
	case best != nil && (best.State == wob.Failed || best.State == wob.Cancelled):
		m.admit(r, best, "")
		m.reclaim(r, k)
	case r.inProcess() && !r.exiting && !r.stopping:
		k.calling = true
		params := appapi.LostParams{Child: k.id}
		if best != nil {
			params.Backup = &appapi.Backup{Version: best.Version, Effort: best.Effort}
		}
		m.call(r.proc, appapi.OnWOBChildLost, params, call{rec: r, child: k.id, backup: best})
	default:
		m.recoverOrReclaim(r, k, best)
	}
}

func (m *Machine) lostAnswered(p *proc, r *rec, c *call, in AppReply) {
	k := r.kids[c.child]
	if k == nil {
		return
	}
	k.calling = false
	var res appapi.LostResult
	if in.Code == appapi.CodeUnknownMethod {
		m.recoverOrReclaim(r, k, c.backup)
		return
	}
	if !m.answer(p, c, in, &res) {
		return
	}
	if k.misses == 0 && k.unknown == core.Never {
		return // it was heard of while the application thought about it
	}
	switch res.Action {
	case appapi.ActionWait:
		k.at = m.in(m.cfg.WaitAgain)
		k.hinted = true
		m.kidsDue(r)
	case appapi.ActionReclaim:
		m.reclaim(r, k)
	default:
		m.recoverOrReclaim(r, k, c.backup)
	}
}

func (m *Machine) recoverOrReclaim(r *rec, k *kid, backup *wob.WOB) {
	if backup != nil {
		m.recover(r, k.id, backup)
	} else {
		m.reclaim(r, k)
	}
}

// recover makes a lost child a record here, under its id and with a higher epoch (the
// holder of the parent alone decides that). It is then resumed by a slot of this node or
// given away whole.
func (m *Machine) recover(r *rec, id wob.ID, backup *wob.WOB) {
	if m.recs[id] != nil {
		return
	}
	k := r.kids[id]
	w := backup.Clone()
	inc := w.Incarnation()
	if k != nil && inc.Less(k.inc) {
		inc = k.inc
	}
	w.Epoch, w.Moves, w.Holder = min(inc.Epoch+1, wob.MaxCount), 0, m.cfg.Self
	own := w.Effort.Done() > 0
	if own {
		w.Stats.Add(wob.Stats{Recovered: 1})
	}
	if w.State != wob.Waiting && w.State != wob.Created {
		w.State = wob.Suspended
	}
	if c := r.mem.Lookup(id); c != nil {
		c.Holder = m.cfg.Self
	}
	child := m.adopt(w, phaseOf(w.State))
	if k == nil {
		k = &kid{id: id, unknown: core.Never, at: m.in(m.cfg.ChildCheck)}
		r.kids[id] = k
	}
	k.inc = w.Incarnation()
	k.heardFrom(m, m.cfg.Self, k.inc, nil)
	k.busy = false
	m.report(Recovered{WOB: id, Inc: child.inc(), Effort: w.Effort, Own: own})
	m.announce(child)
	m.startSave(child)
	m.emit(WorkAvailable{WOB: id})
}

// reclaim gives a child's whole part back to the parent (S5). Unless the parent is in a
// process, it is loaded into one for that.
func (m *Machine) reclaim(r *rec, k *kid) {
	if slices.Contains(r.returns, k.id) {
		return
	}
	r.returns = append(r.returns, k.id)
	m.pump(r)
}

// giveBack calls OnWOBChildReturn with what the child was born with.
func (m *Machine) giveBack(r *rec, k *kid) {
	c := r.mem.Lookup(k.id)
	if c == nil || c.State == wob.Merged {
		return
	}
	k.returning = true
	r.calls++
	m.call(r.proc, appapi.OnWOBChildReturn,
		appapi.ReturnParams{Child: c.ID, Boundary: c.Boundary, Checkpoint: c.Birth}, call{rec: r, child: c.ID})
}

// childReturned removes the child from the table in the instant in which the application
// has its part: late results of the id are unknown from now on (S2).
func (m *Machine) childReturned(p *proc, r *rec, c *call, in AppReply) {
	r.calls--
	if !m.answer(p, c, in, nil) {
		return
	}
	r.returns = slices.DeleteFunc(r.returns, func(id wob.ID) bool { return id == c.child })
	if _, err := r.mem.Reclaim(c.child); err != nil {
		m.kill(p, err)
		return
	}
	if k := r.kids[c.child]; k != nil { // the id is over for everybody, its own children too
		e := protocols.Entry{ID: c.child, App: r.app(), Parent: r.id(), Inc: k.inc, State: wob.Lost, Gone: true}
		m.emit(Release{Entry: e, Gone: true})
		delete(r.kids, c.child)
	}
	r.wantSave = true
	r.ownDone = false
	m.report(Reclaimed{Parent: r.id(), Child: c.child})
	m.pump(r)
}
