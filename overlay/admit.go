package overlay

import (
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/overlay/capacity"
	"github.com/wobcompute/wobcompute/overlay/roster"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Admission at a supervisor (paper, section 3.1.3): capacity is checked in the same
// step that takes the member in, and a member is listed once.

// reserveOpen is how long after the loss of a supervisor its members may use the whole
// reserve; joins otherwise get half of it.
const reserveOpen = 60 * time.Second

var (
	_ = handle((*Machine).onJoin)
	_ = on((*Machine).onIdle)
)

func (m *Machine) onJoin(from wob.NodeID, j protocols.Join) {
	if reason := m.refusal(from, j); reason != "" {
		m.send(from, protocols.Refuse{MemberSeq: j.MemberSeq, Reason: reason, View: m.view})
		return
	}
	was := m.sup.roster.Get(from)
	hello := m.peers[from]
	m.sup.roster.Put(roster.Member{
		ID: from, Seq: j.MemberSeq, Addrs: slices.Clone(hello.Addrs), Capacity: j.Capacity, Bandwidth: hello.Bandwidth,
		Public: j.Public, Idle: j.Idle, WOBSeq: j.WOBSeq, Heard: m.now,
	})
	delete(m.grace, from)
	// A supervisor that asks to be a member has restarted.
	m.setDown(from, true)
	m.send(from, protocols.Accept{MemberSeq: j.MemberSeq, View: m.view, Workload: m.workload})
	if was == nil {
		m.report(MemberUp{Node: from})
	}
	m.replaceHeld(from, j.WOBs)
}

// refusal says why a join is declined, empty if it is not.
func (m *Machine) refusal(from wob.NodeID, j protocols.Join) string {
	switch {
	case m.sup == nil:
		return "not a supervisor"
	case m.leaving:
		return "leaving"
	}
	if was := m.sup.roster.Get(from); was != nil {
		if was.Seq > j.MemberSeq {
			return "a newer attachment is known"
		}
		return ""
	}
	if m.sup.roster.Len() >= m.limit() {
		return "full"
	}
	return ""
}

// limit is how many members may be attached just now.
func (m *Machine) limit() int {
	k := len(m.view.Supervisors)
	if m.sup.lostAt != 0 && m.now.Sub(m.sup.lostAt) < reserveOpen {
		return capacity.Attachable(m.cfg.Capacity, k)
	}
	return capacity.Joinable(m.cfg.Capacity, k, m.cfg.Reserve)
}

// dropMember forgets a member that is lost or left. What it held is outdated from now
// on, unless another supervisor announced it meanwhile.
func (m *Machine) dropMember(id wob.NodeID, reason string) {
	if m.sup == nil || !m.sup.roster.Remove(id) {
		return
	}
	m.report(MemberDown{Node: id, Reason: reason})
	if via := m.sup.index.Via(id); via == "" || via == m.cfg.Self {
		m.hintParents(m.markStale(id))
	}
}

func (m *Machine) onIdle(in Idle) { m.idle = max(0, in.Slots) }
