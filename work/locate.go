package work

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// located is a location query under way.
type located struct {
	until core.Time
	wob   wob.ID
	done  func(Located)
}

// locateWait bounds a query; then it counts as answered by nobody.
const locateWait = 15 * time.Second

// locate asks where a WOB is. done is called once, in a later step.
func (m *Machine) locate(id wob.ID, done func(Located)) {
	token := m.token()
	m.onLocated[token] = located{until: m.in(locateWait), wob: id, done: done}
	m.emit(Locate{Token: token, WOB: id})
}

var _ = onInput(func(m *Machine, in Located) {
	q, ok := m.onLocated[in.Token]
	if !ok || in.WOB != q.wob {
		return
	}
	delete(m.onLocated, in.Token)
	q.done(in)
})

// wait is a question to another node, answered by a message with its token.
type wait struct {
	to    wob.NodeID
	until core.Time
	done  func(body protocols.Body) // nil: no answer in time
}

// maxWaits bounds the questions of applications under way.
const maxWaits = 256

// ask sends a question; done is called once. build gets the token to put into it.
func (m *Machine) ask(to wob.NodeID, addrs []string, d time.Duration, build func(token uint64) protocols.Body, done func(protocols.Body)) {
	token := m.token()
	m.waits[token] = &wait{to: to, until: m.in(d), done: done}
	m.send(to, addrs, build(token))
}

// answered ends a question, if from was asked it.
func (m *Machine) answered(from wob.NodeID, token uint64, body protocols.Body) {
	w := m.waits[token]
	if w == nil || w.to != from {
		return
	}
	delete(m.waits, token)
	w.done(body)
}

// backupSearch collects the newest backup of a WOB from every live supervisor.
type backupSearch struct {
	wob     wob.ID
	left    map[wob.NodeID]bool // the empty id: this node's own store
	best    *wob.WOB
	gone    bool
	until   core.Time
	done    func(best *wob.WOB, gone bool)
	reached bool // somebody answered
}

// findBackup asks all live supervisors, and this node's store if it is one. done gets the
// newest by stamp, nil if nobody has one, and whether somebody has a tombstone.
func (m *Machine) findBackup(id wob.ID, done func(best *wob.WOB, gone bool)) {
	token := m.token()
	s := &backupSearch{wob: id, left: map[wob.NodeID]bool{}, until: m.in(m.cfg.StoreWait), done: done}
	m.finds[token] = s
	if m.supervisor {
		s.left[""] = true
		m.onLoaded[token] = func(in Loaded) { m.backupFound(token, "", in.WOB, in.Gone) }
		m.emit(Load{Token: token, WOB: id})
	}
	for _, n := range m.others() {
		s.left[n] = true
		m.send(n, nil, protocols.BackupGet{Token: token, WOB: id})
	}
	if len(s.left) == 0 {
		s.until = m.now // ends in this step, but not before the caller returned
	}
}

func (m *Machine) backupFound(token uint64, from wob.NodeID, w *wob.WOB, gone bool) {
	s := m.finds[token]
	if s == nil || !s.left[from] {
		return
	}
	delete(s.left, from)
	s.reached = true
	s.gone = s.gone || gone
	if w != nil && w.ID == s.wob && sound(w) == nil && (s.best == nil || s.best.Stamp().Less(w.Stamp())) {
		s.best = w
	}
	if len(s.left) == 0 {
		m.endSearch(token)
	}
}

func (m *Machine) endSearch(token uint64) {
	s := m.finds[token]
	delete(m.finds, token)
	delete(m.onLoaded, token)
	s.done(s.best, s.gone)
}

var (
	_ = onMessage(func(m *Machine, from wob.NodeID, b protocols.BackupIs) {
		m.backupFound(b.Token, from, b.WOB, b.Gone)
		m.answered(from, b.Token, b)
	})
	_ = onInput(func(m *Machine, in Loaded) {
		if f := m.onLoaded[in.Token]; f != nil {
			delete(m.onLoaded, in.Token)
			f(in)
		}
	})
)
