package overlay

import (
	"time"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Leaving on purpose. A supervisor stays until the others have removed it, the last one
// until it has promoted a member; none stays longer than two seconds.

var (
	_ = on((*Machine).onLeave)
	_ = handle((*Machine).onLeaveMessage)
	_ = alarm(timerLeave, (*Machine).leaveOn)
)

const (
	promoteFor = 1000 * time.Millisecond // for the new supervisor to copy the index
	removeFor  = 800 * time.Millisecond  // for the others to agree on the next view
)

func (m *Machine) onLeave(Leave) {
	switch {
	case m.leaving:
		return
	case m.role == Member:
		m.send(m.supervisor, protocols.Leave{MemberSeq: m.memberSeq, Reason: "leaving"})
	case m.sup != nil:
		m.leaving = true
		m.viewChanged()
		if len(m.live()) > 0 {
			m.leaveOn()
			return
		}
		if m.sup.roster.Len() > 0 && m.sup.commit.proposal == nil && !sameIDs(m.wanted(), m.view.Supervisors) {
			m.propose(m.wanted())
			m.set(timerLeave, m.now.Add(promoteFor))
			return
		}
	}
	m.left()
}

// leaveOn takes the next step: first the good-bye to the other supervisors, then, if
// they did not agree in time, going all the same.
func (m *Machine) leaveOn() {
	if m.sup == nil || m.sup.goodbye {
		m.left()
		return
	}
	m.sup.goodbye = true
	for _, id := range m.live() {
		m.send(id, protocols.Leave{Reason: "leaving"})
	}
	m.set(timerLeave, m.now.Add(removeFor))
}

// left ends everything.
func (m *Machine) left() {
	m.resign("leaving")
	m.dropAsked()
	m.role, m.supervisor, m.leaving = Idling, "", false
	m.view, m.join = protocols.View{}, joining{}
	m.down = map[wob.NodeID]bool{}
	for t := range timerCount {
		m.clear(t)
	}
	m.report(Left{})
}

func (m *Machine) onLeaveMessage(from wob.NodeID, l protocols.Leave) {
	if m.sup == nil {
		if m.role == Member && from == m.supervisor && (l.MemberSeq == 0 || l.MemberSeq == m.memberSeq) {
			m.lose(from, "left")
		}
		return
	}
	member := m.sup.roster.Get(from)
	switch {
	case member != nil && member.Seq == l.MemberSeq:
		m.dropMember(from, "left")
	case m.sup.colleagues[from] != nil && l.MemberSeq == 0:
		m.setDown(from, true)
	}
}
