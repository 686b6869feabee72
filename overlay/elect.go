package overlay

import (
	"cmp"
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/overlay/capacity"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Election of supervisors (paper, "Supervisor Promotion"): the primary removes the dead
// and elects the best members, as many as the cluster needs, all in one change of view.

var _ = alarm(timerLook, (*Machine).look)

// maxBest is how many eligible members a supervisor names to the primary, maxBestBytes
// what they may take of a beat.
const (
	maxBest      = 8
	maxBestBytes = 6 << 10
)

func (m *Machine) look() {
	if m.sup == nil {
		return
	}
	m.set(timerLook, m.now.Add(m.cfg.ElectEvery))
	if m.sup.commit.proposal != nil {
		m.askAgain()
		return
	}
	if !m.isPrimary() {
		return
	}
	if next := m.wanted(); !sameIDs(next, m.view.Supervisors) {
		m.propose(next)
	}
}

// wanted returns the supervisors that the cluster should have.
func (m *Machine) wanted() []protocols.Supervisor {
	var list []protocols.Supervisor
	var capacities []int
	for _, s := range m.view.Supervisors {
		if !m.down[s.ID] {
			list = append(list, s)
			capacities = append(capacities, s.Capacity)
		}
	}
	least := m.cfg.MinSupervisors
	if m.leaving && len(list) == 1 {
		least = max(least, 2) // promote before the last one goes
	}
	members := m.sup.roster.Len()
	for _, id := range slices.Sorted(maps.Keys(m.sup.colleagues)) {
		if !m.down[id] {
			members += m.sup.colleagues[id].members
		}
	}
	for _, s := range m.eligible() {
		k := len(list)
		if k >= least && capacity.Total(capacities, m.cfg.Reserve) > members {
			break // not yet exhausted
		}
		if !capacity.Worth(s.Capacity, k+1, m.cfg.Reserve) {
			break // the rest is smaller still
		}
		list = append(list, s)
		capacities = append(capacities, s.Capacity)
		members--
	}
	return list
}

// eligible lists the members that may be elected, the best first: own ones, and those
// that the other supervisors named in their beats.
func (m *Machine) eligible() []protocols.Supervisor {
	list := m.best()
	for _, id := range slices.Sorted(maps.Keys(m.sup.colleagues)) {
		if !m.down[id] {
			list = append(list, m.sup.colleagues[id].best...)
		}
	}
	seen := map[wob.NodeID]bool{}
	list = slices.DeleteFunc(list, func(s protocols.Supervisor) bool {
		twice := seen[s.ID]
		seen[s.ID] = true
		return twice || find(m.view.Supervisors, s.ID) != nil || s.ID == m.cfg.Self
	})
	slices.SortStableFunc(list, byWorth)
	return list
}

// best lists the own members that may be elected.
func (m *Machine) best() []protocols.Supervisor {
	var list []protocols.Supervisor
	for _, id := range m.sup.roster.IDs() {
		member := m.sup.roster.Get(id)
		_, up := m.peers[id]
		if up && member.Public && member.Capacity >= 2 && find(m.view.Supervisors, id) == nil {
			list = append(list, supervisorOf(id, member.Addrs, member.Capacity, member.Bandwidth))
		}
	}
	slices.SortFunc(list, byWorth)
	return list
}

// named is the part of best that a beat has room for.
func (m *Machine) named() []protocols.Supervisor {
	list, bytes := m.best(), 0
	list = list[:min(len(list), maxBest)]
	for i, s := range list {
		bytes += 120 + jsonText(string(s.ID))
		for _, a := range s.Addrs {
			bytes += 3 + jsonText(a)
		}
		if bytes > maxBestBytes {
			return list[:i]
		}
	}
	return list
}

// byWorth orders candidates: capacity, then bandwidth, then ID.
func byWorth(a, b protocols.Supervisor) int {
	return cmp.Or(cmp.Compare(b.Capacity, a.Capacity), cmp.Compare(b.Bandwidth, a.Bandwidth), cmp.Compare(a.ID, b.ID))
}

func sameIDs(a, b []protocols.Supervisor) bool {
	return slices.EqualFunc(a, b, func(s, t protocols.Supervisor) bool { return s.ID == t.ID })
}
