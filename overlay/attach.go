package overlay

import (
	"slices"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// A member's attachment to its supervisor, and to another one of the cluster when that
// is lost (paper, section 3.1.1).

var (
	_ = handle((*Machine).onAccept)
	_ = handle((*Machine).onRefuse)
	_ = handle((*Machine).onDetached)
)

func (m *Machine) onAccept(from wob.NodeID, a protocols.Accept) {
	if m.role != Joining || from != m.join.target.ID || a.MemberSeq != m.memberSeq {
		if a.MemberSeq != m.memberSeq || from != m.supervisor {
			// Too late: let it forget this node at once.
			m.send(from, protocols.Leave{MemberSeq: a.MemberSeq, Reason: "joined elsewhere"})
		}
		return
	}
	if find(a.View.Supervisors, from) == nil {
		m.reject(from, a.Kind(), "not a supervisor of its own view")
		m.tryNext()
		return
	}
	if a.View.Cluster == m.view.Cluster && newer(m.view, a.View) && find(m.view.Supervisors, from) == nil {
		m.send(from, protocols.Leave{MemberSeq: a.MemberSeq, Reason: "a supervisor no longer"})
		m.tryNext()
		return
	}
	m.clear(timerJoin)
	m.join = joining{}
	m.role, m.supervisor, m.heard = Member, from, m.now
	delete(m.down, from)
	if a.View.Cluster != m.view.Cluster {
		m.workload.Cluster = 0 // levels of another cluster mean nothing here
		m.down = map[wob.NodeID]bool{}
		m.view = protocols.View{}
	}
	if newer(a.View, m.view) || rival(a.View, m.view) {
		m.view = a.View
		m.pruneDown()
	}
	m.set(timerBeat, m.now.Add(m.jitter(m.cfg.Heartbeat)))
	m.report(Joined{Cluster: m.view.Cluster, Supervisor: from})
	m.viewChanged()
	m.raise(a.Workload)
	if m.notify != "" {
		m.send(from, protocols.Notify{WOB: m.notify})
		m.notify = ""
	}
}

func (m *Machine) onRefuse(from wob.NodeID, r protocols.Refuse) {
	if m.role != Joining || from != m.join.target.ID || r.MemberSeq != m.memberSeq {
		return
	}
	if len(m.join.queue) < maxQueue && (!m.join.inCluster || r.View.Cluster == m.view.Cluster) {
		m.join.queue = append(m.join.queue, m.shuffled(r.View.Supervisors)...)
	}
	m.tryNext()
}

// onDetached joins again when the own supervisor does not know this node any more.
func (m *Machine) onDetached(from wob.NodeID, d protocols.Detached) {
	switch {
	case m.sup != nil:
		m.setDown(from, true) // a colleague that is no supervisor
	case m.role == Member && from == m.supervisor && (d.MemberSeq == 0 || d.MemberSeq == m.memberSeq):
		m.reattach(true)
	}
}

// reattach looks for another supervisor of the cluster: the live ones in random order,
// then those believed dead, since belief may be wrong. again includes the last one.
func (m *Machine) reattach(again bool) {
	last := m.supervisor
	m.role, m.supervisor = Joining, ""
	m.clear(timerBeat)
	m.join = joining{inCluster: true, tried: map[wob.NodeID]bool{}}
	if !again {
		m.join.tried[last] = true
	}
	list := m.shuffled(m.view.Supervisors)
	slices.SortStableFunc(list, func(a, b protocols.Supervisor) int {
		return rank(m.down[a.ID]) - rank(m.down[b.ID])
	})
	m.join.queue = list
	m.tryNext()
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}
