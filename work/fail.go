package work

import (
	"github.com/wobcompute/wobcompute/wob"
)

// failed handles the death of a process with a WOB in it: the WOB is rolled back to its
// newest snapshot and tried again; after Failures on this node it is given to others, and
// after FailedNodes of them it is failed.
func (m *Machine) failed(r *rec, p *proc, cause error, log string) {
	m.report(AppFailed{WOB: r.id(), Proc: p.n, Error: cause.Error(), Log: log})
	m.rollBack(r)
	r.failures++
	if r.failures < m.cfg.Failures {
		return
	}
	r.failures = 0
	f := wob.Failure{Node: m.cfg.Self, Error: cause.Error(), Log: log}
	if len(r.mem.Failures)+1 >= m.cfg.FailedNodes {
		m.giveUp(r, cause.Error(), []wob.Failure{f})
		return
	}
	r.mem.AddFailure(f)
	r.barred = m.in(m.cfg.WaitAgain)
	m.snapshot(r, r.mem.State)
	m.emit(WorkAvailable{WOB: r.id()})
}

// giveUp ends a WOB as failed; that travels to the root like a result.
func (m *Machine) giveUp(r *rec, why string, failures []wob.Failure) {
	if r.phase == moving || r.phase == finished || r.phase == checking {
		return
	}
	if p := r.proc; p != nil {
		m.detach(r)
	}
	m.rollBack(r)
	for _, f := range failures {
		r.mem.AddFailure(f)
	}
	r.mem.State, r.phase = wob.Failed, finished
	r.results, r.returns = nil, nil
	m.report(GaveUp{WOB: r.id(), Error: why})
	m.snapshot(r, wob.Failed)
}
