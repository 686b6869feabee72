package work

import (
	"slices"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// result is a finished child whose result is to become part of its parent, held here.
type result struct {
	w     *wob.WOB
	from  wob.NodeID // who is told when it is stored; empty for a backup
	state resultState
}

type resultState uint8

const (
	resultQueued resultState = iota
	resultCalled
	resultMerged // in mem; acknowledged when a snapshot with it is stored
)

// maxResults bounds the results that wait in memory; children send again.
const maxResults = 256

// The verdicts of FinishedAck.
const (
	verdictMerged    = "merged"
	verdictUnknown   = "unknown"
	verdictElsewhere = "elsewhere"
)

var (
	_ = onMessage((*Machine).childFinished)
	_ = onReply(appapi.OnWOBChildFinished, (*Machine).childMerged)
)

// childFinished takes the result of a child (paper, section 3.4.7: WOBFinished).
func (m *Machine) childFinished(from wob.NodeID, msg protocols.Finished) {
	w := msg.WOB
	if err := sound(w); err != nil {
		m.reject(from, msg.Kind(), err.Error())
		return
	}
	if w.Parent == "" || w.State != wob.Finished && w.State != wob.Failed && w.State != wob.Cancelled {
		m.reject(from, msg.Kind(), "not a finished child")
		return
	}
	r := m.recs[w.Parent]
	if e, known := m.over.get(w.Parent); r == nil && known && e.Gone { // the parent is over
		m.finishedAck(from, w, e.Inc, verdictUnknown)
		return
	}
	if r == nil || r.phase == moving {
		m.finishedAck(from, w, wob.Incarnation{}, verdictElsewhere)
		return
	}
	if r.phase == checking {
		return // it asks again, and we may know better then
	}
	m.admit(r, w, from)
}

func (m *Machine) finishedAck(to wob.NodeID, child *wob.WOB, parent wob.Incarnation, verdict string) {
	m.send(to, nil, protocols.FinishedAck{Child: child.ID, Parent: child.Parent, Inc: parent, Verdict: verdict})
}

// admit takes a result into the queue of its parent, or says at once what is to be said.
func (m *Machine) admit(r *rec, w *wob.WOB, from wob.NodeID) {
	m.bornAlive(r, w.ID)
	switch r.mem.AdmitResult(w) {
	case wob.Unknown:
		m.finishedAck(from, w, r.inc(), verdictUnknown)
		return
	case wob.AlreadyMerged:
		if c := r.lookupStored(w.ID); c != nil && c.State == wob.Merged {
			m.finishedAck(from, w, r.inc(), verdictMerged)
		} else if res := r.find(w.ID); res != nil && from != "" {
			res.from = from
		}
		return
	case wob.Merge:
	}
	if k := r.kids[w.ID]; k != nil {
		k.heardFrom(m, from, w.Incarnation(), nil)
	}
	switch {
	case w.State == wob.Cancelled:
		m.finishedAck(from, w, r.inc(), verdictUnknown)
	case w.State == wob.Failed:
		m.giveUp(r, "a child failed", w.Failures)
	case slices.Contains(r.returns, w.ID):
		// The application is being given the part back: this result comes too late.
	case r.find(w.ID) != nil:
		if from != "" {
			r.find(w.ID).from = from
		}
	case len(r.results) < maxResults:
		r.results = append(r.results, &result{w: w, from: from})
		m.pump(r)
		if r.proc == nil && !m.canRun(r.app()) {
			// Nobody merges here: a computing node takes the parent whole.
			m.emit(WorkAvailable{WOB: r.id()})
		}
	}
}

func (r *rec) lookupStored(child wob.ID) *wob.Child {
	if r.stored == nil {
		return nil
	}
	return r.stored.Lookup(child)
}

// deliver hands queued results and returned parts to the application.
func (m *Machine) deliver(r *rec) {
	for _, res := range r.results {
		if res.state == resultQueued {
			res.state = resultCalled
			r.calls++
			m.call(r.proc, appapi.OnWOBChildFinished, appapi.WOBParams{WOB: appapi.View(res.w)},
				call{rec: r, child: res.w.ID})
		}
	}
	for _, id := range r.returns {
		if k := r.kids[id]; k != nil && !k.returning {
			m.giveBack(r, k)
		}
	}
}

// childMerged marks the child merged in the same instant in which the application has
// its result: the next snapshot holds both (S3).
func (m *Machine) childMerged(p *proc, r *rec, c *call, in AppReply) {
	r.calls--
	if !m.answer(p, c, in, nil) {
		return
	}
	res := r.find(c.child)
	if res == nil {
		return
	}
	if err := r.mem.MergeChild(c.child, res.w.Stats, res.w.Failures...); err != nil {
		m.kill(p, err) // merged by the application but not in the table: go back
		return
	}
	res.state = resultMerged
	delete(r.kids, c.child)
	r.wantSave = true
	m.pump(r)
}

// ackResults tells children that their results are part of the parent for good.
func (m *Machine) ackResults(r *rec) {
	r.results = slices.DeleteFunc(r.results, func(res *result) bool {
		if res.state != resultMerged {
			return false
		}
		// A merged child that Forget already dropped from the table was stored with it.
		if c := r.stored.Lookup(res.w.ID); c != nil && c.State != wob.Merged {
			return false
		}
		m.report(MergedChild{Parent: r.id(), Child: res.w.ID})
		if res.from != "" {
			m.finishedAck(res.from, res.w, r.inc(), verdictMerged)
		}
		return true
	})
}

// hasMerges reports whether a record that is in no process has something to do in one
// besides computing: results, returned parts, or to finish because its last child is merged.
func (r *rec) hasMerges() bool {
	return len(r.returns) > 0 || r.phase == waiting && r.mem.Complete(true) ||
		slices.ContainsFunc(r.results, func(res *result) bool { return res.state == resultQueued })
}
