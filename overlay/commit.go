package overlay

import (
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Changing the view: prepare, promise of a majority of the current view, commit. A
// primary that finds no majority asks the gateway, whose compare-and-swap on the epoch
// stands in for it. This is enough because the index is soft state and exactness lives
// in the WOBs.

var (
	_ = handle((*Machine).onPrepare)
	_ = handle((*Machine).onPrepared)
	_ = handle((*Machine).onCommit)
	_ = alarm(timerPrepare, (*Machine).noMajority)
)

// committing is the change under way from the current view; the next view clears it.
type committing struct {
	proposal *proposal // own one
	promised wob.NodeID
	next     protocols.View // what was promised to it
}

type proposal struct {
	next     protocols.View
	promises map[wob.NodeID]bool
	gateway  bool // the gateway was asked for it: it may be in force there
}

func (m *Machine) propose(supervisors []protocols.Supervisor) {
	next := protocols.View{Cluster: m.view.Cluster, Epoch: m.view.Epoch + 1, Supervisors: supervisors}
	c := &m.sup.commit
	if c.promised != "" && c.promised != m.cfg.Self && !m.down[c.promised] {
		return // another one's proposal is being decided
	}
	c.promised, c.next = m.cfg.Self, next
	c.proposal = &proposal{next: next, promises: map[wob.NodeID]bool{m.cfg.Self: true}}
	m.set(timerPrepare, m.now.Add(m.cfg.PrepareWait))
	m.prepare()
	m.tally()
}

// prepare asks every supervisor of the current view that has not promised yet.
func (m *Machine) prepare() {
	p := m.sup.commit.proposal
	for _, s := range m.view.Supervisors {
		if !p.promises[s.ID] {
			m.send(s.ID, protocols.Prepare{Base: m.view.Epoch, Next: p.next})
		}
	}
}

// askAgain keeps a proposal going: promises get lost. One that nobody else knows is
// withdrawn when this node is not the primary after all.
func (m *Machine) askAgain() {
	p := m.sup.commit.proposal
	if !m.isPrimary() && len(p.promises) == 1 && !p.gateway {
		m.sup.commit = committing{}
		m.clear(timerPrepare)
		return
	}
	m.prepare()
}

func (m *Machine) onPrepare(from wob.NodeID, p protocols.Prepare) {
	if m.sup == nil || p.Next.Cluster != m.view.Cluster {
		m.reject(from, p.Kind(), "not a supervisor of that cluster")
		return
	}
	answer := protocols.Prepared{Cluster: m.view.Cluster, Epoch: p.Next.Epoch}
	if answer.OK = m.promise(from, p); !answer.OK {
		view := m.view
		answer.View = &view
	}
	m.send(from, answer)
}

// promise decides on a proposal; a promise is kept until the next view, unless the one
// it was given to is dead.
func (m *Machine) promise(from wob.NodeID, p protocols.Prepare) bool {
	c := &m.sup.commit
	switch {
	case p.Base != m.view.Epoch || from != m.primary():
		return false
	case c.promised == from:
		return sameIDs(c.next.Supervisors, p.Next.Supervisors)
	case c.promised != "" && !m.down[c.promised] && (c.promised != m.cfg.Self || !m.leaving):
		return false
	}
	*c = committing{promised: from, next: p.Next}
	m.clear(timerPrepare)
	return true
}

func (m *Machine) onPrepared(from wob.NodeID, p protocols.Prepared) {
	if m.sup == nil || p.Cluster != m.view.Cluster {
		return
	}
	if !p.OK {
		if p.View != nil && p.View.Cluster == m.view.Cluster && newer(*p.View, m.view) && !leaps(*p.View, m.view) {
			m.adopt(*p.View)
		}
		return
	}
	if own := m.sup.commit.proposal; own != nil && own.next.Epoch == p.Epoch {
		own.promises[from] = true
		m.tally()
	}
}

// tally commits once a majority of the current view has promised.
func (m *Machine) tally() {
	n := 0
	for _, s := range m.view.Supervisors {
		if m.sup.commit.proposal.promises[s.ID] {
			n++
		}
	}
	if n > len(m.view.Supervisors)/2 {
		m.commit()
	}
}

// commit puts the own proposal in force, for the old and the new supervisors.
func (m *Machine) commit() {
	old, next := m.view, m.sup.commit.proposal.next
	tell := func(list []protocols.Supervisor, but []protocols.Supervisor) {
		for _, s := range list {
			if s.ID != m.cfg.Self && find(but, s.ID) == nil {
				m.emit(Send{To: s.ID, Addrs: s.Addrs, Body: protocols.Commit{View: next, Workload: m.workload}})
			}
		}
	}
	tell(next.Supervisors, nil)
	tell(old.Supervisors, next.Supervisors)
	m.adopt(next)
}

func (m *Machine) onCommit(from wob.NodeID, c protocols.Commit) {
	m.offerView(from, c.Kind(), c.View, c.Workload)
}

// noMajority turns to the gateway with the proposal.
func (m *Machine) noMajority() {
	if m.sup == nil || m.sup.commit.proposal == nil {
		return
	}
	m.set(timerPrepare, m.now.Add(m.cfg.PrepareWait))
	if m.sup.status.sent == nil {
		m.sup.commit.proposal.gateway = true
		m.sendStatus(m.sup.commit.proposal.next)
	}
}
