package work

import (
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
)

// Deadline returns when the machine wants to be stepped with Wake if nothing else
// happens before; ok is false when it waits for nothing but inputs.
func (m *Machine) Deadline() (core.Time, bool) {
	if m.left {
		return core.Never, false
	}
	at, _ := m.timers.Next()
	for _, r := range m.list {
		t, _ := r.timers.Next()
		at = min(at, t)
		if r.barred > m.now {
			at = min(at, r.barred)
		}
	}
	for _, r := range m.resting {
		at = min(at, r.until)
	}
	for _, e := range m.expected {
		at = min(at, e.until)
	}
	for _, t := range m.transfers {
		at = min(at, t.at)
	}
	for _, q := range m.onLocated {
		at = min(at, q.until)
	}
	for _, w := range m.waits {
		at = min(at, w.until)
	}
	for _, s := range m.finds {
		at = min(at, s.until)
	}
	return at, at != core.Never
}

// recDue holds what each timer of a record does.
var recDue = [recTimers]func(*Machine, *rec){
	recCheckpoint: (*Machine).periodic,
	recSave:       (*Machine).late,
	recResend: func(m *Machine, r *rec) {
		switch {
		case r.phase != finished:
			m.status(r)
		case r.hurried: // delivered again once it is stored
			r.hurried = false
			m.startSave(r)
		case r.save == nil:
			m.deliverUp(r)
		}
	},
	recKids:  (*Machine).lookAfter,
	recLease: (*Machine).renew,
	recQueue: (*Machine).tooLong,
	recOffer: func(m *Machine, r *rec) {
		m.releaseOffer(r, "busy")
		m.pump(r)
	},
	recCheck:    (*Machine).check,
	recFailsafe: (*Machine).putFailsafe,
}

// due does whatever the time has come for.
func (m *Machine) due() {
	if at, ok := m.Deadline(); !ok || at > m.now {
		return
	}
	for _, r := range slices.Clone(m.list) {
		for i, do := range recDue {
			if !r.dead && r.timers.Take(i, m.now) {
				do(m, r)
			}
		}
	}
	m.dueTokens()
	for _, id := range sortedKeys(m.transfers) {
		if t := m.transfers[id]; t != nil && t.at <= m.now {
			m.repeat(t)
		}
	}
	m.expected = slices.DeleteFunc(m.expected, func(e *expect) bool { return e.until <= m.now })
	for _, r := range m.resting {
		if r.until <= m.now {
			r.until = core.Never
		}
	}
	m.timers.Take(timerAsk, m.now) // seek goes on
	if m.timers.Take(timerSearch, m.now) {
		m.silent()
	}
	if m.timers.Take(timerAux, m.now) {
		m.restAux()
	}
	if m.timers.Take(timerLeave, m.now) {
		m.endLeave()
	}
}

// dueTokens ends the questions that nobody answered in time.
func (m *Machine) dueTokens() {
	for _, token := range sortedKeys(m.onLocated) {
		if q, ok := m.onLocated[token]; ok && q.until <= m.now {
			delete(m.onLocated, token)
			q.done(Located{Token: token, WOB: q.wob, Answer: protocols.Unknown})
		}
	}
	for _, token := range sortedKeys(m.waits) {
		if w := m.waits[token]; w != nil && w.until <= m.now {
			delete(m.waits, token)
			w.done(nil)
		}
	}
	for _, token := range sortedKeys(m.finds) {
		if s := m.finds[token]; s != nil && s.until <= m.now {
			m.endSearch(token)
		}
	}
}

// periodic asks for the checkpoint whose time has come.
func (m *Machine) periodic(r *rec) {
	r.timers.Set(recCheckpoint, m.in(m.jitter(m.interval(r))))
	r.wantSave = true
	m.pump(r)
}

// restAux stops the process outside the slots when nothing was merged for a while.
func (m *Machine) restAux() {
	if len(m.procs) == 0 {
		return
	}
	p := m.aux()
	switch {
	case !p.alive || p.dying:
	case p.rec == nil && m.now.Sub(p.idleSince) >= auxIdle:
		m.stop(p)
	default:
		m.timers.Set(timerAux, m.in(auxIdle))
	}
}
