package overlay

import (
	"cmp"
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// The view: the cluster's ordered supervisor list, known to every node of it (paper,
// section 3.1.1: changes of the supervisors are advertised throughout the cluster).

var _ = handle((*Machine).onView)

// newer orders the views of one cluster: by epoch; two of one epoch, which a commit that
// the gateway did not hear of can make, by their supervisors, so that nodes which hear
// each other settle on the same one. The others ask the gateway, see contested.
func newer(a, b protocols.View) bool {
	if a.Epoch != b.Epoch {
		return a.Epoch > b.Epoch
	}
	return slices.CompareFunc(a.Supervisors, b.Supervisors, func(s, t protocols.Supervisor) int {
		return cmp.Compare(s.ID, t.ID)
	}) < 0
}

// rival reports whether v stands against a known view of the same epoch.
func rival(v, known protocols.View) bool {
	return v.Epoch == known.Epoch && !sameIDs(v.Supervisors, known.Supervisors)
}

// leaps reports whether a view is further ahead than changes can have come: a forged
// one would use up the epochs.
func leaps(v, known protocols.View) bool {
	return v.Epoch > known.Epoch && v.Epoch-known.Epoch > 1<<32
}

// live lists the supervisors believed alive, in view order. One that is leaving does
// not count itself.
func (m *Machine) live() []wob.NodeID {
	var ids []wob.NodeID
	for _, s := range m.view.Supervisors {
		if s.ID == m.cfg.Self && (m.sup == nil || m.leaving) || m.down[s.ID] {
			continue
		}
		ids = append(ids, s.ID)
	}
	return ids
}

// primary is the first live supervisor, empty if there is none.
func (m *Machine) primary() wob.NodeID {
	for _, s := range m.view.Supervisors {
		if !m.down[s.ID] && (s.ID != m.cfg.Self || m.sup != nil && !m.leaving) {
			return s.ID
		}
	}
	if m.sup != nil {
		return m.cfg.Self // the last one, leaving
	}
	return ""
}

func (m *Machine) isPrimary() bool { return m.sup != nil && m.primary() == m.cfg.Self }

// setDown notes that a supervisor of the view is believed dead or alive again.
func (m *Machine) setDown(id wob.NodeID, down bool) {
	if m.down[id] == down || find(m.view.Supervisors, id) == nil || id == m.cfg.Self {
		return
	}
	if down {
		m.down[id] = true
		if m.sup != nil {
			m.sup.lostAt = max(m.now, 1)
			delete(m.sup.sync.want, id)
			m.set(timerLook, m.now)
			if m.isPrimary() && m.ownsItself(id) {
				m.hintParents(m.markStale(id)) // if it lives it hears that and speaks up
			}
		}
	} else {
		delete(m.down, id)
	}
	m.viewChanged()
}

// pruneDown forgets who is dead of an older view.
func (m *Machine) pruneDown() {
	maps.DeleteFunc(m.down, func(id wob.NodeID, _ bool) bool { return find(m.view.Supervisors, id) == nil })
}

func (m *Machine) viewChanged() {
	m.report(ViewChanged{View: m.view, Live: m.live(), Supervisor: m.sup != nil, Primary: m.isPrimary()})
}

// onView takes a newer view from a supervisor that this node knows.
func (m *Machine) onView(from wob.NodeID, v protocols.ViewIs) {
	m.offerView(from, v.Kind(), v.View, v.Workload)
}

func (m *Machine) offerView(from wob.NodeID, kind protocols.Kind, v protocols.View, w protocols.Workload) {
	switch {
	case v.Cluster != m.view.Cluster || find(m.view.Supervisors, from) == nil:
		m.reject(from, kind, "not from a supervisor of this cluster")
		return
	case leaps(v, m.view):
		m.reject(from, kind, "the epoch is out of reach")
		return
	case newer(v, m.view), m.sup == nil && from == m.supervisor && rival(v, m.view):
		m.adopt(v) // a member has no say: it goes with its supervisor
	case m.sup != nil && newer(m.view, v):
		m.send(from, protocols.ViewIs{View: m.view, Workload: m.workload})
		if rival(v, m.view) {
			m.contested()
		}
	}
	m.raise(w)
}

// adopt makes v the current view and takes this node's place in it. One behind NAT stays a
// member even if it is named, from a life in which it could be reached: its beats show
// the others that it does not serve.
func (m *Machine) adopt(v protocols.View) {
	old := m.view
	m.view = v
	for _, s := range v.Supervisors {
		if find(old.Supervisors, s.ID) == nil {
			m.report(Elected{Node: s.ID, Epoch: v.Epoch})
		}
	}
	var removed []wob.NodeID
	for _, s := range old.Supervisors {
		if find(v.Supervisors, s.ID) == nil {
			m.report(Removed{Node: s.ID, Epoch: v.Epoch})
			removed = append(removed, s.ID)
		}
	}
	defer m.pruneDown()
	switch in := m.cfg.Public && find(v.Supervisors, m.cfg.Self) != nil; {
	case in && m.sup == nil:
		m.serve()
		m.mesh(removed)
		m.viewChanged()
	case in:
		m.mesh(removed)
		m.viewChanged()
		m.advertise()
	case m.sup != nil:
		m.removed()
	default:
		m.viewChanged()
		if m.role == Member && find(v.Supervisors, m.supervisor) == nil {
			m.reattach(false)
		}
	}
}

// mesh keeps one line for each of the other supervisors; their attachments as members
// end, since supervisors are fully meshed.
func (m *Machine) mesh(removed []wob.NodeID) {
	s := m.sup
	for _, id := range removed {
		if s.colleagues[id] == nil {
			continue
		}
		delete(s.colleagues, id)
		delete(s.sync.want, id)
		delete(s.sync.serving, id)
		s.lostAt = max(m.now, 1)
		s.completeAt = m.now.Add(3 * m.cfg.Heartbeat)
		s.lost[id] = s.completeAt
		m.sooner(timerLost, s.completeAt)
		if m.down[id] && m.ownsItself(id) {
			m.missing(id)
		}
	}
	for _, v := range m.view.Supervisors {
		if v.ID == m.cfg.Self || s.colleagues[v.ID] != nil {
			continue
		}
		s.colleagues[v.ID] = &colleague{heard: m.now, patience: 2}
		delete(s.lost, v.ID)
		if s.roster.Remove(v.ID) {
			m.report(MemberDown{Node: v.ID, Reason: "elected"})
		}
		if _, up := m.peers[v.ID]; !up {
			m.emit(Connect{Peer: v.ID, Addrs: v.Addrs})
		}
	}
	s.commit = committing{}
	m.clear(timerPrepare)
	m.clear(timerBehind)
	m.sooner(timerStatus, m.now.Add(statusSoon))
}

// advertise tells the members the view.
func (m *Machine) advertise() {
	for _, id := range m.sup.roster.IDs() {
		m.send(id, protocols.ViewIs{View: m.view, Workload: m.workload})
	}
}

// removed ends the work of a supervisor that the newest view does not name.
func (m *Machine) removed() {
	m.resign("removed from the view")
	m.viewChanged()
	if m.leaving {
		m.left()
		return
	}
	m.reattach(true)
}

func (m *Machine) dueOrNever(times map[wob.NodeID]core.Time) core.Time {
	next := core.Never
	for _, at := range times {
		next = min(next, at)
	}
	return next
}
