package work

import (
	"slices"

	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

var (
	_ = onInput((*Machine).pause)
	_ = onInput((*Machine).resume)
	_ = onInput((*Machine).leave)
)

// pause packs what computes here and offers it whole to others; nothing is asked for.
func (m *Machine) pause(Pause) {
	if m.paused || m.leaving {
		return
	}
	m.paused = true
	m.stopAsking()
	for _, r := range slices.Clone(m.list) {
		switch {
		case r.proc == nil:
		case !r.inProcess():
			m.detach(r)
			m.rollBack(r)
		default:
			m.suspend(r)
		}
	}
	for _, r := range m.list {
		if r.phase == held {
			m.emit(WorkAvailable{WOB: r.id()})
		}
	}
}

func (m *Machine) resume(Resume) {
	m.paused = false
	m.search.pause = m.cfg.AskMin
	m.timers.Clear(timerAsk)
}

// stopAsking ends the search; offers that were taken are refused when they come.
func (m *Machine) stopAsking() {
	m.search.stage = searchIdle
	m.expected = nil
	m.timers.Clear(timerAsk)
	m.timers.Clear(timerSearch)
}

// leave packs everything and hands it over whole (paper, section 3.4.7: OnAppExit). The
// event Left follows within the grace.
func (m *Machine) leave(in Leave) {
	if m.leaving {
		return
	}
	m.leaving = true
	m.stopAsking()
	m.timers.Set(timerLeave, m.in(max(in.Grace, 0)))
	for _, r := range slices.Clone(m.list) {
		switch {
		case r.proc == nil:
		case !r.inProcess():
			m.detach(r)
			m.rollBack(r)
		default:
			m.exit(r)
		}
	}
	for _, p := range m.procs {
		if p.rec == nil {
			m.stop(p)
		}
	}
}

// exit has the application pack a WOB because its process will end.
func (m *Machine) exit(r *rec) {
	if r.exiting {
		return
	}
	m.declineQueue(r, "leaving")
	if r.asking != nil { // an offer may be on its way; it is released first
		r.quit = quitExit
		return
	}
	m.withdraw(r, "leaving")
	if r.open && !r.stopping {
		m.notify(r.proc, suspendMethod, nil)
	}
	r.stopping, r.exiting, r.packing = true, true, true
	m.call(r.proc, appapi.OnAppExit, nil, call{rec: r})
}

// depart goes on with leaving: what is packed and stored goes to the live supervisors, one
// after the other; a root that none takes goes back to the gateway.
func (m *Machine) depart() {
	if !m.leaving || m.left {
		return
	}
	for _, r := range slices.Clone(m.list) {
		if r.proc != nil || r.save != nil || r.phase == moving || r.phase == checking {
			continue
		}
		if n := m.taker(r); n != "" {
			m.handOver(r, n, "")
		} else if r.root() && !r.lease && r.phase != finished {
			m.handBack(r)
		}
	}
	if len(m.recs) == 0 {
		m.end()
	}
}

// taker returns the next live supervisor to hand a record to.
func (m *Machine) taker(r *rec) wob.NodeID {
	for _, n := range choose(r.id(), m.others()) {
		if !slices.Contains(r.tried, n) {
			return n
		}
	}
	return ""
}

// handBack returns a root to the gateway with its newest snapshot.
func (m *Machine) handBack(r *rec) {
	r.lease = true // no renewal any more
	token := m.gateway(r, func(in GatewayAnswer) {
		if in.Err != "" || !ok(in.Status) {
			return
		}
		release := m.gateway(r, func(GatewayAnswer) { m.drop(r, "handed back to the gateway", false) })
		m.emit(ReleaseLease{Token: release, ID: r.id(), Inc: r.inc()})
	})
	m.emit(PutFailsafe{Token: token, WOB: r.newest})
}

// endLeave ends the grace: what is still here stays in the local store.
func (m *Machine) endLeave() {
	var stay []*wob.WOB
	for _, r := range m.list {
		if r.phase != moving {
			stay = append(stay, r.newest)
		}
	}
	if len(stay) > 0 {
		m.emit(Store{Token: m.token(), Hold: stay, Sync: true})
	}
	m.end()
}

func (m *Machine) end() {
	m.left, m.kept = true, len(m.recs)
	for _, p := range m.procs {
		m.stop(p)
	}
	m.report(Left{Kept: m.kept})
}
