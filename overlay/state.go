package overlay

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/overlay/capacity"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// State is a machine's state in plain values, for pages, tests and crash dumps. It
// shares nothing with the machine.
type State struct {
	Role       Role
	Cluster    protocols.ClusterID // while attached
	View       protocols.View      // the last one known
	Live       []wob.NodeID        // supervisors believed alive, in view order
	Supervisor wob.NodeID          // whose member the node is; itself if it is one
	Primary    bool
	Members    []wob.NodeID // attached to this supervisor, sorted
	Index      int          // WOBs listed here
	Digest     protocols.Digest
	Complete   bool // a WOB missing in the index is not in the cluster
	Holds      []wob.ID
	Workload   protocols.Workload
	Idle       int // free slots of this node
	ClusterIdle,
	ClusterMembers int // as far as this supervisor knows
}

// Snapshot returns the state.
func (m *Machine) Snapshot() State {
	s := State{
		Role: m.role, View: cloneView(m.view), Live: m.live(), Supervisor: m.supervisor, Primary: m.isPrimary(),
		Holds: slices.Sorted(maps.Keys(m.holds.own)), Workload: m.workload, Idle: m.idle,
	}
	if m.role == Member || m.role == Supervisor {
		s.Cluster = m.view.Cluster
	}
	if m.sup != nil {
		s.Members, s.Index, s.Digest = m.sup.roster.IDs(), m.sup.index.Len(), m.sup.index.Digest()
		s.Complete = m.complete()
		s.ClusterMembers, s.ClusterIdle = m.population(m.view)
	}
	return s
}

func cloneView(v protocols.View) protocols.View {
	v.Supervisors = slices.Clone(v.Supervisors)
	for i := range v.Supervisors {
		v.Supervisors[i].Addrs = slices.Clone(v.Supervisors[i].Addrs)
	}
	return v
}

// All returns the entries this node knows: a supervisor's index, else what it holds.
func (m *Machine) All() []protocols.Entry {
	if m.sup != nil {
		return m.sup.index.All()
	}
	list := make([]protocols.Entry, 0, len(m.holds.own))
	for _, id := range slices.Sorted(maps.Keys(m.holds.own)) {
		list = append(list, m.holds.own[id])
	}
	return list
}

// CheckInvariants verifies what must hold after every step.
func (m *Machine) CheckInvariants() error {
	seen := map[wob.NodeID]bool{}
	for _, s := range m.view.Supervisors {
		if seen[s.ID] {
			return fmt.Errorf("overlay: supervisor %s is twice in the view", s.ID)
		}
		seen[s.ID] = true
	}
	switch {
	case (m.role == Supervisor) != (m.sup != nil):
		return fmt.Errorf("overlay: role %s, supervising %t", m.role, m.sup != nil)
	case m.sup != nil && !seen[m.cfg.Self]:
		return fmt.Errorf("overlay: a supervisor that is not in its view %d", m.view.Epoch)
	case m.sup != nil && !m.cfg.Public:
		return fmt.Errorf("overlay: a supervisor behind NAT")
	case m.role == Member && (m.supervisor == "" || m.supervisor == m.cfg.Self):
		return fmt.Errorf("overlay: a member without a supervisor")
	}
	for id := range m.down {
		if !seen[id] {
			return fmt.Errorf("overlay: %s is believed dead, but is not in the view", id)
		}
	}
	for id, e := range m.holds.own {
		if e.ID != id || e.Inc.Holder != m.cfg.Self || e.Seq > m.holds.seq {
			return fmt.Errorf("overlay: bad entry of own WOB %s", id)
		}
	}
	if m.sup == nil {
		return nil
	}
	return m.checkSupervisor()
}

func (m *Machine) checkSupervisor() error {
	if err := m.sup.roster.Check(); err != nil {
		return err
	}
	if err := m.sup.index.Check(); err != nil {
		return err
	}
	if n := len(m.sup.colleagues); n != len(m.view.Supervisors)-1 {
		return fmt.Errorf("overlay: %d other supervisors in mesh, %d in view", n, len(m.view.Supervisors)-1)
	}
	if n, most := m.sup.roster.Len(), capacity.Attachable(m.cfg.Capacity, 1); n > most {
		return fmt.Errorf("overlay: %d members with a capacity of %d", n, m.cfg.Capacity)
	}
	if err := m.checkProposal(); err != nil {
		return err
	}
	for _, id := range m.sup.roster.IDs() {
		if id == m.cfg.Self {
			return fmt.Errorf("overlay: member of itself")
		}
	}
	for id, e := range m.holds.own {
		if known, ok := m.sup.index.Get(id); ok && known.Inc.Less(e.Inc) {
			return fmt.Errorf("overlay: own WOB %s is not listed as it is", id)
		}
	}
	return nil
}

// checkProposal verifies that a change of the view starts from the current one and is
// promised to this node by itself.
func (m *Machine) checkProposal() error {
	c := &m.sup.commit
	p := c.proposal
	switch {
	case p == nil:
		return nil
	case c.promised != m.cfg.Self || !p.promises[m.cfg.Self]:
		return fmt.Errorf("overlay: own proposal, promised to %s", c.promised)
	case p.next.Cluster != m.view.Cluster || p.next.Epoch != m.view.Epoch+1:
		return fmt.Errorf("overlay: proposal of epoch %d at epoch %d", p.next.Epoch, m.view.Epoch)
	case len(p.next.Supervisors) == 0:
		return fmt.Errorf("overlay: proposal of nobody")
	}
	seen := map[wob.NodeID]bool{}
	for _, s := range p.next.Supervisors {
		if seen[s.ID] {
			return fmt.Errorf("overlay: %s is twice in the proposal", s.ID)
		}
		seen[s.ID] = true
	}
	return nil
}
