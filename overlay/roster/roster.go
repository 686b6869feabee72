// Package roster keeps the members attached to one supervisor (paper, section 3.1.1):
// each of them once, in the order of their IDs, with what the supervisor must know of it.
package roster

import (
	"fmt"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
)

// Member is one attached node.
type Member struct {
	ID        wob.NodeID
	Seq       uint64 // of its attachment; the higher one wins
	Addrs     []string
	Capacity  int // lasting connections it can hold
	Bandwidth int64
	Public    bool      // eligible as supervisor
	Idle      int       // free slots
	WOBSeq    uint64    // last differential update applied
	Asked     core.Time // when all its entries were asked for, 0 once they came
	Heard     core.Time // when it last gave a sign of life
}

// Roster is the set of members. The zero value is not usable; see New.
type Roster struct {
	members map[wob.NodeID]*Member
	order   []wob.NodeID // sorted
	idle    int
}

// New returns an empty roster.
func New() *Roster { return &Roster{members: map[wob.NodeID]*Member{}} }

// Len counts the members.
func (r *Roster) Len() int { return len(r.order) }

// Idle sums the free slots of all members.
func (r *Roster) Idle() int { return r.idle }

// Get returns the member id, nil if it is not attached. Its Idle changes by SetIdle only.
func (r *Roster) Get(id wob.NodeID) *Member { return r.members[id] }

// Put attaches m, in the place of an older attachment of the same node.
func (r *Roster) Put(m Member) {
	r.Remove(m.ID)
	at, _ := slices.BinarySearch(r.order, m.ID)
	r.order = slices.Insert(r.order, at, m.ID)
	r.members[m.ID] = &m
	r.idle += m.Idle
}

// Remove detaches id and reports whether it was attached.
func (r *Roster) Remove(id wob.NodeID) bool {
	m := r.members[id]
	if m == nil {
		return false
	}
	at, _ := slices.BinarySearch(r.order, id)
	r.order = slices.Delete(r.order, at, at+1)
	r.idle -= m.Idle
	delete(r.members, id)
	return true
}

// SetIdle notes the free slots of m.
func (r *Roster) SetIdle(m *Member, slots int) {
	r.idle += slots - m.Idle
	m.Idle = slots
}

// IDs returns the members' IDs, sorted; the slice is the caller's.
func (r *Roster) IDs() []wob.NodeID { return slices.Clone(r.order) }

// Silent returns the members not heard since the given instant, sorted.
func (r *Roster) Silent(since core.Time) []wob.NodeID {
	var ids []wob.NodeID
	for _, id := range r.order {
		if r.members[id].Heard < since {
			ids = append(ids, id)
		}
	}
	return ids
}

// Check verifies that the order, the map and the sum agree.
func (r *Roster) Check() error {
	if len(r.order) != len(r.members) || !slices.IsSorted(r.order) {
		return fmt.Errorf("roster: %d members, %d in order", len(r.members), len(r.order))
	}
	idle := 0
	for i, id := range r.order {
		m := r.members[id]
		if m == nil || m.ID != id || i > 0 && r.order[i-1] == id {
			return fmt.Errorf("roster: member %s is not listed exactly once", id)
		}
		idle += m.Idle
	}
	if idle != r.idle {
		return fmt.Errorf("roster: %d idle slots summed as %d", idle, r.idle)
	}
	return nil
}
