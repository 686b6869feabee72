package overlay

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/overlay/capacity"
	"github.com/wobcompute/wobcompute/protocols"
)

// Reports to the gateway (paper, section 3.3): at regular times and soon after every
// change of the view, by the primary alone unless another view of the epoch shows up.

var (
	_ = on((*Machine).onStatusAnswer)
	_ = alarm(timerStatus, (*Machine).reportStatus)
	_ = alarm(timerBehind, (*Machine).stillBehind)
)

// statusSoon coalesces the reports after changes of the view.
const statusSoon = 200 * time.Millisecond

// reporting is the exchange with the gateway; one report is under way at a time.
type reporting struct {
	lease string // of the founding, until the gateway accepted it
	sent  *protocols.View
	at    core.Time
}

func (m *Machine) reportStatus() {
	if m.sup == nil {
		return
	}
	m.set(timerStatus, m.now.Add(m.cfg.StatusEvery))
	if !m.isPrimary() {
		return
	}
	if m.reporting() {
		m.sooner(timerStatus, m.now.Add(statusSoon)) // the last report is still under way
		return
	}
	if p := m.sup.commit.proposal; p != nil && p.gateway {
		m.sendStatus(p.next) // it may be in force there, and the view now outdated
		return
	}
	m.sendStatus(m.view)
}

// reporting reports whether the answer to the last report can still come.
func (m *Machine) reporting() bool {
	s := &m.sup.status
	return s.sent != nil && m.now.Sub(s.at) < 4*m.cfg.StatusEvery
}

// contested reports the view although this node may not be the primary: a supervisor of it
// follows another one of the same epoch. The gateway refuses one of the two, and its
// supervisors join again.
func (m *Machine) contested() {
	if !m.reporting() {
		m.sendStatus(m.view)
	}
}

func (m *Machine) sendStatus(v protocols.View) {
	s := &m.sup.status
	s.sent, s.at = &v, m.now
	members, idle := m.population(v)
	var capacities []int
	for _, sv := range v.Supervisors {
		capacities = append(capacities, sv.Capacity)
	}
	m.emit(ReportStatus{Status{
		View: v, Lease: s.lease, Members: members, Capacity: capacity.Total(capacities, m.cfg.Reserve),
		Idle: idle, Work: m.sup.index.Work(), Workload: m.workload,
	}})
}

// population counts the nodes of the cluster and their free slots, as far as known.
func (m *Machine) population(v protocols.View) (members, idle int) {
	members, idle = len(v.Supervisors)+m.sup.roster.Len(), m.idle+m.sup.roster.Idle()
	for id, c := range m.sup.colleagues {
		if !m.down[id] {
			members, idle = members+c.members, idle+c.idle
		}
	}
	return members, idle
}

func (m *Machine) onStatusAnswer(in StatusAnswer) {
	if m.sup == nil || m.sup.status.sent == nil {
		return
	}
	s := &m.sup.status
	reported := *s.sent
	s.sent = nil
	if in.Err != "" {
		if s.lease != "" {
			m.sooner(timerStatus, m.now.Add(m.jitter(m.cfg.RetryMin)))
		}
		return
	}
	if in.Accepted {
		s.lease = ""
		if p := m.sup.commit.proposal; p != nil && p.next.Epoch == reported.Epoch && sameIDs(p.next.Supervisors, reported.Supervisors) {
			m.commit()
		}
	} else if s.lease != "" {
		// Somebody else founded, or the cluster went on without this node.
		m.resign("its founding was refused")
		m.rejoin()
		m.join.previous.Epoch = max(m.join.previous.Epoch, in.Epoch)
	} else if in.Epoch >= reported.Epoch {
		m.behind(in.Epoch)
	}
	m.spread(protocols.Workload{Gateway: in.Workload})
}

// behind asks the other supervisors for the newer view that the gateway holds.
func (m *Machine) behind(epoch uint64) {
	if m.view.Epoch > epoch || m.timers.Armed(int(timerBehind)) {
		return
	}
	m.set(timerBehind, m.now.Add(m.cfg.PrepareWait))
	m.beatColleagues()
}

// stillBehind gives up: the cluster lives on without this node, which joins it anew.
func (m *Machine) stillBehind() {
	if m.sup == nil {
		return
	}
	m.resign("the gateway knows a newer view")
	m.report(Isolated{Cluster: m.view.Cluster})
	m.viewChanged()
	if m.leaving {
		m.left()
		return
	}
	m.rejoin()
}
