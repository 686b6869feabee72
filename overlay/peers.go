package overlay

import (
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Failure detection (paper, section 3.1.1). A killed process resets its connections at
// once: they get a short grace to come back. A vanished host is found out by silence.

var (
	_ = on((*Machine).onPeerUp)
	_ = on((*Machine).onPeerDown)
	_ = on((*Machine).onSendFailed)
	_ = alarm(timerGrace, (*Machine).checkGrace)
)

func (m *Machine) onPeerUp(in PeerUp) {
	m.peers[in.Peer] = in.Hello
	delete(m.grace, in.Peer)
	m.hear(in.Peer)
	if m.sup == nil {
		return
	}
	if member := m.sup.roster.Get(in.Peer); member != nil {
		member.Addrs, member.Bandwidth = in.Hello.Addrs, in.Hello.Bandwidth
	}
}

func (m *Machine) onPeerDown(in PeerDown) {
	delete(m.peers, in.Peer)
	m.broken(in.Peer)
}

// onSendFailed treats a peer that cannot be reached like a broken connection: the
// connection may have been up in name only.
func (m *Machine) onSendFailed(in SendFailed) { m.broken(in.Peer) }

func (m *Machine) broken(id wob.NodeID) {
	if m.role == Joining && id == m.join.target.ID {
		m.tryNext()
		return
	}
	if !m.watched(id) || m.grace[id] != 0 {
		return
	}
	m.grace[id] = m.now.Add(m.cfg.Reconnect)
	m.sooner(timerGrace, m.grace[id])
	m.emit(Connect{Peer: id, Addrs: m.book(id)})
}

// watched reports whether this node must notice the loss of a peer.
func (m *Machine) watched(id wob.NodeID) bool {
	if m.sup == nil {
		return m.role == Member && id == m.supervisor
	}
	return m.sup.roster.Get(id) != nil || m.sup.colleagues[id] != nil && !m.down[id]
}

// hear notes a sign of life.
func (m *Machine) hear(id wob.NodeID) {
	if m.sup == nil {
		if id == m.supervisor {
			m.heard = m.now
			delete(m.grace, id)
		}
		return
	}
	if member := m.sup.roster.Get(id); member != nil {
		member.Heard = m.now
		delete(m.grace, id)
	}
	if c := m.sup.colleagues[id]; c != nil {
		c.heard = m.now
		delete(m.grace, id)
	}
}

func (m *Machine) checkGrace() {
	next := core.Never
	var dead []wob.NodeID
	for id, until := range m.grace {
		if until <= m.now {
			dead = append(dead, id)
		} else {
			next = min(next, until)
		}
	}
	m.set(timerGrace, next)
	slices.Sort(dead)
	for _, id := range dead {
		delete(m.grace, id)
		m.lose(id, "connection lost")
	}
}

// checkSilence finds the peers that missed too many beats.
func (m *Machine) checkSilence() {
	patience := m.cfg.Heartbeat * timeFactor(m.cfg.Misses)
	since := m.now - core.Time(patience)
	if m.sup == nil {
		if m.role == Member && m.heard < since {
			m.lose(m.supervisor, "silent")
		}
		return
	}
	for _, id := range m.sup.roster.Silent(since) {
		m.lose(id, "silent")
	}
	for _, id := range slices.Sorted(maps.Keys(m.sup.colleagues)) {
		if m.sup != nil && m.sup.colleagues[id].heard < since {
			m.lose(id, "silent")
		}
	}
}

// lose acts on a watched peer that is dead.
func (m *Machine) lose(id wob.NodeID, reason string) {
	if m.sup == nil {
		if m.role == Member && id == m.supervisor {
			if find(m.view.Supervisors, id) != nil {
				m.down[id] = true
				m.viewChanged()
			}
			m.reattach(false)
		}
		return
	}
	m.dropMember(id, reason)
	m.setDown(id, true)
}

// supervisorOf makes a line of a view.
func supervisorOf(id wob.NodeID, addrs []string, capacity int, bandwidth int64) protocols.Supervisor {
	return protocols.Supervisor{ID: id, Addrs: slices.Clone(addrs), Capacity: capacity, Bandwidth: bandwidth}
}
