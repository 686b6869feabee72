package work

import (
	"cmp"
	"slices"
)

// sortedKeys returns the keys of a map in order: what is iterated must not depend on
// the order of maps.
func sortedKeys[K cmp.Ordered, V any](set map[K]V) []K {
	if len(set) == 0 {
		return nil
	}
	keys := make([]K, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// idle reports whether a process is up and has nothing to do.
func (p *proc) idle() bool { return p.up && !p.dying && !p.open && p.rec == nil }

// slots returns the computing processes.
func (m *Machine) slots() []*proc { return m.procs[:min(m.cfg.Slots, len(m.procs))] }

// schedule gives records to processes, keeps processes ready and asks for work for the rest.
func (m *Machine) schedule() {
	if len(m.procs) > 0 && len(m.apps) > 0 && !m.leaving {
		if !m.paused {
			m.stopOld()
			m.scheduleMerges()
			m.scheduleHeld()
			m.startIdle()
			m.seek()
		}
	}
	if n := m.free(); n >= 0 && n != m.idle {
		m.idle = n
		m.emit(Idle{Slots: n})
	}
}

// stopOld ends idle processes of a version that is not installed any more: a WOB that
// starts or goes on from here does so with the new one.
func (m *Machine) stopOld() {
	for _, p := range m.procs {
		if !p.idle() {
			continue
		}
		if a, _ := m.installed(p.app); a.Version != p.version {
			m.stop(p)
		}
	}
}

// scheduleMerges loads packed records that have something to merge or to take back: into
// a slot that is free anyway, else into the process outside the slots. Swapping a WOB
// under an open OnCompute is not allowed.
func (m *Machine) scheduleMerges() {
	for _, r := range m.list {
		if !m.canStart(r) || !r.hasMerges() {
			continue
		}
		p := m.idleSlot(appName(r.app()), false)
		if p == nil {
			p = m.aux()
			if p.rec != nil || p.dying || p.alive && !p.up || p.open {
				continue
			}
		}
		m.assign(r, p, true)
	}
}

// scheduleHeld resumes packed records in free slots.
func (m *Machine) scheduleHeld() {
	for _, r := range m.list {
		if r.phase != held || !m.canStart(r) || r.barred > m.now {
			continue
		}
		p := m.idleSlot(appName(r.app()), true)
		if p == nil {
			continue
		}
		m.assign(r, p, false)
	}
}

func (m *Machine) canStart(r *rec) bool {
	return (r.phase == held || r.phase == waiting) && r.proc == nil && r.offer == nil && !r.dead && m.canRun(r.app()) && m.fit(appName(r.app()))
}

// idleSlot returns a process of the application that has nothing to do; with exchange also
// one of another application, or a number at which it can be started.
func (m *Machine) idleSlot(app string, exchange bool) *proc {
	var other *proc
	used := 0
	for _, p := range m.slots() {
		switch {
		case p.idle() && p.app == app:
			return p
		case p.idle() && other == nil:
			other = p
		}
		if p.alive {
			used += m.threads(p.app)
		}
	}
	if !exchange {
		return nil
	}
	if p := m.room(used, app); p != nil {
		return p
	}
	if other != nil && used-m.threads(other.app)+m.threads(app) <= m.cfg.Slots {
		return other
	}
	return nil
}

// room returns a number at which the application can be started, if its threads find slots.
func (m *Machine) room(used int, app string) *proc {
	if used+m.threads(app) > m.cfg.Slots {
		return nil
	}
	for _, p := range m.slots() {
		if !p.alive && p.rec == nil {
			return p
		}
	}
	return nil
}

// startIdle starts processes before work is asked for, so that it can begin at once.
func (m *Machine) startIdle() {
	app := m.last
	if fit := m.appNames(); len(fit) == 0 {
		return
	} else if app == "" || !m.fit(app) {
		app = fit[0]
	}
	for {
		used := 0
		for _, p := range m.slots() {
			if p.alive {
				used += m.threads(p.app)
			}
		}
		p := m.room(used, app)
		if p == nil {
			return
		}
		m.start(p, app)
	}
}
