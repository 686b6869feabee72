package overlay

import (
	"slices"

	"github.com/wobcompute/wobcompute/overlay/index"
	"github.com/wobcompute/wobcompute/overlay/roster"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// How a supervisor lists what its members hold.

var _ = handle((*Machine).onUpdate)

func (m *Machine) onUpdate(from wob.NodeID, u protocols.Update) {
	var member *roster.Member
	if m.sup != nil {
		member = m.sup.roster.Get(from)
	}
	switch {
	case member == nil || u.MemberSeq != member.Seq:
		m.send(from, protocols.Detached{MemberSeq: u.MemberSeq, Reason: "not attached so"})
	case u.Full:
		member.WOBSeq, member.Asked = u.Seq, 0
		m.replaceHeld(from, u.Entries)
	case u.Seq == member.WOBSeq+1:
		member.WOBSeq = u.Seq
		m.listAll(from, u.Entries)
	case u.Seq > member.WOBSeq:
		m.listAll(from, u.Entries) // true as far as it goes; the missing part is asked for
		m.askResend(member)
	}
}

// askResend asks a member for all its entries, and again when they do not come.
func (m *Machine) askResend(member *roster.Member) {
	if member.Asked != 0 && m.now.Sub(member.Asked) < m.cfg.Heartbeat/2 {
		return
	}
	member.Asked = max(m.now, 1)
	m.send(member.ID, protocols.Resend{MemberSeq: member.Seq})
}

// replaceHeld lists all that a node holds; what it held before and does not name any
// more is outdated: it may have restarted without it.
func (m *Machine) replaceHeld(from wob.NodeID, entries []protocols.Entry) {
	m.listAll(from, entries)
	named := make(map[wob.ID]bool, len(entries))
	for i := range entries {
		named[entries[i].ID] = true
	}
	var missing []protocols.Entry
	for _, e := range m.sup.index.Held(from) {
		if !named[e.ID] {
			e.Stale = true
			if m.list(e, m.cfg.Self) {
				missing = append(missing, e)
			}
		}
	}
	m.sup.publish.entries = append(m.sup.publish.entries, missing...)
	m.hintParents(missing)
}

// listAll lists and gossips what a node may say; the rest of its entries is refused.
func (m *Machine) listAll(from wob.NodeID, entries []protocols.Entry) {
	refused := false
	for _, e := range entries {
		switch {
		case !m.mayList(from, &e):
			refused = true
		case m.list(e, m.cfg.Self):
			m.sup.publish.entries = append(m.sup.publish.entries, e)
		default:
			m.tellOverruled(from, &e)
		}
	}
	if refused {
		m.reject(from, protocols.Update{}.Kind(), "it does not hold the WOB, nor its parent")
	}
}

// listOwn lists and gossips an entry of this supervisor itself.
func (m *Machine) listOwn(e protocols.Entry) { m.listAll(m.cfg.Self, []protocols.Entry{e}) }

// mayList reports whether a node may say e: about what it holds, or that a child of
// what it holds is gone. The child's parent is the one that was listed with it.
func (m *Machine) mayList(from wob.NodeID, e *protocols.Entry) bool {
	if e.Inc.Holder == from {
		return true
	}
	if !e.Gone {
		return false
	}
	if known, ok := m.sup.index.Get(e.ID); ok {
		e.Parent = known.Parent
	}
	p, ok := m.sup.index.Get(e.Parent)
	return ok && e.Parent != e.ID && p.Inc.Holder == from
}

// tellOverruled answers an entry that lost against a newer incarnation or a tombstone.
func (m *Machine) tellOverruled(from wob.NodeID, e *protocols.Entry) {
	known, ok := m.sup.index.Get(e.ID)
	if !ok || !index.IsFresh(e) || known.Inc == e.Inc && !known.Gone {
		return
	}
	if from == m.cfg.Self {
		m.overruled(known)
		return
	}
	m.send(from, protocols.Superseded{Entry: known})
}

// list merges e into the index and reports whether it is news. via is the supervisor
// that the holder is attached to.
func (m *Machine) list(e protocols.Entry, via wob.NodeID) bool {
	x := m.sup.index
	was, known := x.Get(e.ID)
	switch x.Apply(e, m.now) {
	case index.Full:
		m.reject(e.Inc.Holder, protocols.Index{}.Kind(), "the index is full")
		return false
	case index.Older, index.Same:
		if index.IsFresh(&e) && via != "" && known && index.Compare(&e, &was) == 0 {
			x.SetVia(e.Inc.Holder, via)
		}
		return false
	case index.Changed:
	}
	switch {
	case e.Gone:
		m.sooner(timerExpire, m.now.Add(m.cfg.GoneFor))
		if !known || !was.Gone {
			m.report(EntryGone{Entry: e})
		}
	case e.Stale:
		m.sooner(timerExpire, m.now.Add(m.cfg.OutdatedFor))
		m.contradict(&e)
	case via != "":
		x.SetVia(e.Inc.Holder, via)
	}
	m.tellDisplaced(&was, &e, known)
	return true
}

// contradict answers "outdated" about what is held here after all.
func (m *Machine) contradict(e *protocols.Entry) {
	if own, ok := m.holds.own[e.ID]; ok && e.Inc == own.Inc {
		m.holds.seq++
		own.Seq = m.holds.seq
		m.holds.own[e.ID] = own
		m.listOwn(own)
	}
}

// tellDisplaced lets a holder here know that its WOB has a newer incarnation.
func (m *Machine) tellDisplaced(was, e *protocols.Entry, known bool) {
	m.overruled(*e)
	if known && index.IsFresh(was) && e.Inc != was.Inc && m.sup.roster.Get(was.Inc.Holder) != nil {
		m.send(was.Inc.Holder, protocols.Superseded{Entry: *e})
	}
}

// markStale marks all that a missing node held, and gossips it.
func (m *Machine) markStale(holder wob.NodeID) []protocols.Entry {
	entries := m.sup.index.MarkStale(holder, m.now)
	m.sup.publish.entries = append(m.sup.publish.entries, slices.Clone(entries)...)
	if len(entries) > 0 {
		m.sooner(timerExpire, m.now.Add(m.cfg.OutdatedFor))
	}
	return entries
}
