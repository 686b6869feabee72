package overlay

import (
	"cmp"
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Nodes that went missing: their entries become outdated (paper, "WOB List
// Consistency"), and the holders of the parents get a hint. It is only a hint; they ask
// before they act.

var (
	_ = handle((*Machine).onLostHint)
	_ = alarm(timerLost, (*Machine).checkLost)
	_ = alarm(timerExpire, (*Machine).expire)
)

// maxHint keeps a body under the limit of CL_LOST.
const maxHint = 512 << 10

// checkLost marks what the members of a lost supervisor held, when they had time to
// attach elsewhere and did not. Every supervisor does so by itself; the primary hints.
func (m *Machine) checkLost() {
	if m.sup == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(m.sup.lost)) {
		if m.sup.lost[id] > m.now {
			continue
		}
		delete(m.sup.lost, id)
		for _, holder := range m.sup.index.HoldersVia(id) {
			if holder == m.cfg.Self || m.sup.roster.Get(holder) != nil {
				m.sup.index.SetVia(holder, m.cfg.Self)
				continue
			}
			m.missing(holder)
		}
	}
	m.set(timerLost, m.dueOrNever(m.sup.lost))
}

// ownsItself reports whether a supervisor's own WOBs are listed through itself: it did not
// attach anywhere as a member.
func (m *Machine) ownsItself(id wob.NodeID) bool {
	return m.sup.roster.Get(id) == nil && slices.Contains(m.sup.index.HoldersVia(id), id)
}

// missing marks what a node held that is believed dead by all supervisors: a dead
// supervisor itself at once, its members after they had time to attach elsewhere.
func (m *Machine) missing(holder wob.NodeID) {
	entries := m.sup.index.MarkStale(holder, m.now)
	if len(entries) == 0 {
		return
	}
	m.sooner(timerExpire, m.now.Add(m.cfg.OutdatedFor))
	if m.isPrimary() {
		m.hintParents(entries)
	}
}

// hintParents tells the holders of the parents that children may be lost.
func (m *Machine) hintParents(children []protocols.Entry) {
	groups := map[wob.NodeID][]protocols.Entry{}
	addrs := map[wob.NodeID][]string{}
	for _, e := range children {
		if e.Parent == "" {
			m.notified() // a lost root is the gateway's to lend again: somebody should ask it
		}
		parent, ok := m.sup.index.Get(e.Parent)
		if e.Parent == "" || !ok || parent.Gone {
			continue
		}
		groups[parent.Inc.Holder] = append(groups[parent.Inc.Holder], e)
		addrs[parent.Inc.Holder] = parent.Addrs
	}
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		if id == m.cfg.Self {
			m.lostChildren(groups[id])
			continue
		}
		for part := range parts(groups[id], maxHint, maxListed) {
			if _, up := m.peers[id]; up {
				addrs[id] = nil
			}
			m.emit(Send{To: id, Addrs: addrs[id], Body: protocols.LostHint{Entries: part}})
		}
	}
}

func (m *Machine) onLostHint(from wob.NodeID, h protocols.LostHint) {
	if find(m.view.Supervisors, from) == nil {
		m.reject(from, h.Kind(), "not from a supervisor of this cluster")
		return
	}
	m.lostChildren(h.Entries)
}

// lostChildren passes on the hint for the children of WOBs that are held here.
func (m *Machine) lostChildren(entries []protocols.Entry) {
	var mine []protocols.Entry
	for _, e := range entries {
		if _, ok := m.holds.own[e.Parent]; ok {
			mine = append(mine, e)
		}
	}
	if len(mine) > 0 {
		slices.SortFunc(mine, func(a, b protocols.Entry) int { return cmp.Compare(a.ID, b.ID) })
		m.report(ChildrenLost{Entries: mine})
	}
}

func (m *Machine) expire() {
	if m.sup != nil {
		m.set(timerExpire, m.sup.index.Expire(m.now, m.cfg.OutdatedFor, m.cfg.GoneFor))
	}
}
