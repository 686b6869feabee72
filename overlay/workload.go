package overlay

import (
	"math"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// The workload level wakes idle nodes (paper, section 3.1). It is a level, not an
// event: merged by maximum, pushed when it rises and repeated in every beat.

var (
	_ = on((*Machine).onWorkAvailable)
	_ = on((*Machine).onGatewayWorkload)
	_ = handle((*Machine).onNotify)
	_ = handle((*Machine).onWorkload)
	_ = alarm(timerNotify, (*Machine).pushNow)
)

// notifyEvery is the least time between two rises by notification, and two pushes.
const notifyEvery = 100 * time.Millisecond

// pushing is what is held back until the next push.
type pushing struct {
	pushed  core.Time
	any     bool // pushed is set
	raise   bool // a notification came since
	members bool // the level rose since
	others  bool // and the other supervisors do not know
}

func (m *Machine) onWorkAvailable(in WorkAvailable) {
	switch {
	case m.sup != nil:
		m.notified()
	case m.role == Member:
		m.send(m.supervisor, protocols.Notify{WOB: in.WOB})
	default:
		m.notify = in.WOB
	}
}

func (m *Machine) onNotify(from wob.NodeID, n protocols.Notify) {
	if m.sup == nil {
		m.reject(from, n.Kind(), "not a supervisor")
		return
	}
	m.notified()
}

func (m *Machine) notified() {
	m.sup.push.raise = true
	m.pushSoon()
}

func (m *Machine) onGatewayWorkload(in GatewayWorkload) {
	w := protocols.Workload{Gateway: in.Level}
	if m.role == Member && w.Above(m.workload) {
		m.send(m.supervisor, protocols.WorkloadIs{Workload: m.workload.Merge(w)})
	}
	m.spread(w)
}

func (m *Machine) onWorkload(from wob.NodeID, w protocols.WorkloadIs) {
	role := m.senderRole(from)
	switch {
	case role.Supervisor:
		m.raise(w.Workload)
	case role.Member:
		m.spread(w.Workload)
	default:
		m.reject(from, w.Kind(), "neither a supervisor nor a member of this one")
	}
}

// raise merges a level known to the other supervisors already.
func (m *Machine) raise(w protocols.Workload) { m.merge(w, false) }

// spread merges a level that the other supervisors may not know.
func (m *Machine) spread(w protocols.Workload) { m.merge(w, true) }

func (m *Machine) merge(w protocols.Workload, others bool) {
	if !w.Above(m.workload) {
		return
	}
	if m.sup != nil && w.Gateway > m.workload.Gateway {
		m.sup.gateway.rose = m.now
	}
	m.workload = m.workload.Merge(w)
	m.report(WorkloadRose{Workload: m.workload})
	if m.sup != nil {
		m.sup.push.members = true
		m.sup.push.others = m.sup.push.others || others
		m.pushSoon()
	}
}

func (m *Machine) pushSoon() {
	if p := &m.sup.push; p.any {
		m.sooner(timerNotify, max(m.now, p.pushed.Add(notifyEvery)))
		return
	}
	m.sooner(timerNotify, m.now)
}

// pushNow raises the level if a notification waits, and tells it.
func (m *Machine) pushNow() {
	if m.sup == nil {
		return
	}
	p := &m.sup.push
	p.pushed, p.any = m.now, true
	m.sup.publish.any = false // the index goes out first: it tells where the work is
	m.flushIndex()
	if p.raise && m.workload.Cluster < math.MaxUint64 {
		p.raise = false
		m.workload.Cluster++
		m.report(WorkloadRose{Workload: m.workload})
		p.members, p.others = true, true
	}
	body := protocols.WorkloadIs{Workload: m.workload}
	if p.others {
		for _, id := range m.live() {
			if id != m.cfg.Self {
				m.send(id, body)
			}
		}
	}
	if p.members {
		for _, id := range m.sup.roster.IDs() {
			m.send(id, body)
		}
	}
	p.members, p.others = false, false
}
