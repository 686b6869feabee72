package overlay

import (
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Heartbeats (paper, section 3.1.1). They repeat every level that must not be lost, so
// that no other message has to arrive.

var (
	_ = handle((*Machine).onBeat)
	_ = alarm(timerBeat, (*Machine).beat)
)

func (m *Machine) beat() {
	if m.role != Member && m.role != Supervisor {
		return
	}
	m.set(timerBeat, m.now.Add(m.cfg.Heartbeat))
	m.checkSilence()
	switch {
	case m.sup != nil:
		m.beatColleagues()
	case m.role == Member:
		m.send(m.supervisor, m.memberBeat())
	}
}

func (m *Machine) memberBeat() protocols.Beat {
	return protocols.Beat{Cluster: m.view.Cluster, MemberSeq: m.memberSeq, ViewEpoch: m.view.Epoch,
		Workload: m.workload, Idle: m.idle, WOBSeq: m.holds.updateSeq}
}

func (m *Machine) supervisorBeat() protocols.Beat {
	digest := m.sup.index.Digest()
	return protocols.Beat{Cluster: m.view.Cluster, ViewEpoch: m.view.Epoch, Workload: m.workload,
		Idle: m.idle + m.sup.roster.Idle(), Members: m.sup.roster.Len(), Index: &digest, Best: m.named()}
}

// beatColleagues also reaches for those believed dead: they may be back.
func (m *Machine) beatColleagues() {
	if m.leaving {
		return // beats would say that it stays
	}
	body := m.supervisorBeat()
	for _, id := range slices.Sorted(maps.Keys(m.sup.colleagues)) {
		m.send(id, body)
	}
}

func (m *Machine) onBeat(from wob.NodeID, b protocols.Beat) {
	switch {
	case m.sup == nil:
		m.memberHears(from, b)
	case m.sup.roster.Get(from) != nil && b.MemberSeq != 0:
		m.hearsMember(from, b)
	case b.MemberSeq != 0 || b.Cluster != m.view.Cluster:
		m.hearsStranger(from, b)
	case m.sup.colleagues[from] == nil:
		// Thinks itself a supervisor here: it missed a view, or this node did.
		m.send(from, protocols.ViewIs{View: m.view, Workload: m.workload})
	default:
		m.hearsColleague(from, b)
	}
}

// memberHears answers a beat at a node that is not a supervisor.
func (m *Machine) memberHears(from wob.NodeID, b protocols.Beat) {
	switch {
	case b.Reply && from == m.supervisor && b.Cluster == m.view.Cluster:
		m.raise(b.Workload) // a newer view follows by itself, in answer to the older epoch
	case b.MemberSeq != 0 && !b.Reply && m.role == Member:
		// The sender missed that this node was removed, or restarted and joined elsewhere.
		m.send(from, protocols.Detached{MemberSeq: b.MemberSeq, Reason: "not a supervisor"})
	case b.Reply || b.MemberSeq != 0:
	case b.Cluster == m.view.Cluster && m.role == Member:
		m.send(from, m.memberBeat()) // shows the sender which view is known here
	default:
		m.send(from, protocols.Detached{Reason: "not in that cluster"})
	}
}

func (m *Machine) hearsMember(from wob.NodeID, b protocols.Beat) {
	member := m.sup.roster.Get(from)
	if b.MemberSeq != member.Seq {
		m.send(from, protocols.Detached{MemberSeq: b.MemberSeq, Reason: "not attached so"})
		return
	}
	m.sup.roster.SetIdle(member, b.Idle)
	m.spread(b.Workload)
	m.send(from, protocols.Beat{Cluster: m.view.Cluster, ViewEpoch: m.view.Epoch, Workload: m.workload, Reply: true})
	if b.ViewEpoch < m.view.Epoch {
		m.send(from, protocols.ViewIs{View: m.view, Workload: m.workload})
	}
	if b.WOBSeq != member.WOBSeq || member.Asked != 0 {
		m.askResend(member)
	}
}

// hearsStranger answers the beat of a node that takes this one for its supervisor, or
// notes that a supervisor of the view is one no longer.
func (m *Machine) hearsStranger(from wob.NodeID, b protocols.Beat) {
	c := m.sup.colleagues[from]
	switch {
	case c == nil:
		m.send(from, protocols.Detached{MemberSeq: b.MemberSeq, Reason: "not attached"})
	case b.Cluster == m.view.Cluster && b.ViewEpoch < m.view.Epoch:
		m.send(from, protocols.ViewIs{View: m.view, Workload: m.workload}) // it does not know of its election
	default:
		m.setDown(from, true)
	}
}

func (m *Machine) hearsColleague(from wob.NodeID, b protocols.Beat) {
	c := m.sup.colleagues[from]
	m.setDown(from, false)
	if m.sup.roster.Remove(from) {
		m.report(MemberDown{Node: from, Reason: "elected"})
	}
	c.idle, c.members, c.best = b.Idle, b.Members, b.Best[:min(len(b.Best), maxBest)]
	m.raise(b.Workload)
	switch {
	case b.ViewEpoch < m.view.Epoch:
		m.send(from, protocols.ViewIs{View: m.view, Workload: m.workload})
	case b.ViewEpoch > m.view.Epoch && !m.leaving:
		m.send(from, m.supervisorBeat()) // its answer is the newer view
	}
	if b.Index != nil {
		m.compare(from, c, *b.Index)
	}
}
