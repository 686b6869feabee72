package work

import (
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// kid is what the holder of a parent knows of one child that is out.
type kid struct {
	id        wob.ID
	holder    wob.NodeID
	addrs     []string
	inc       wob.Incarnation // the newest that was heard of
	heard     core.Time
	voice     core.Time // when it was heard itself, not by way of the index
	at        core.Time // when to look after it next
	misses    int       // answers in a row that did not find it
	unknown   core.Time // since when nobody could tell; Never if somebody did
	doubts    int       // how often an index that says it is well is asked again after a hint
	hinted    bool      // something hints at its loss: ask, whatever was heard before
	busy      bool      // a query or a search is under way
	calling   bool      // OnWOBChildLost was called
	returning bool      // OnWOBChildReturn was called
}

// syncKids makes the kids of r those children that are out and were dispatched. After a
// restart, a recovery or a roll-back each is asked for soon.
func (m *Machine) syncKids(r *rec) {
	for id := range r.kids {
		if c := r.mem.Lookup(id); c == nil || c.State == wob.Merged {
			delete(r.kids, id)
		}
	}
	for i := range r.mem.Children {
		c := &r.mem.Children[i]
		if c.State == wob.Merged || r.born(c.ID) != nil {
			continue
		}
		if k := r.kids[c.ID]; k != nil {
			continue
		}
		r.kids[c.ID] = &kid{id: c.ID, holder: c.Holder, heard: m.now, voice: m.now, unknown: core.Never, hinted: true, at: m.in(m.cfg.ConfirmLost)}
	}
	m.kidsDue(r)
}

// kidsDue sets the record's timer to its most urgent child.
func (m *Machine) kidsDue(r *rec) {
	at := core.Never
	for _, k := range r.kids {
		at = min(at, k.at)
	}
	r.timers.Set(recKids, at)
}

// patience is how long a silent child is left alone: it says that it lives twice in each
// ChildCheck, however rarely it is checkpointed.
func (m *Machine) patience() time.Duration {
	return 2 * m.cfg.ChildCheck
}

// heardFrom notes a sign of life.
func (k *kid) heardFrom(m *Machine, holder wob.NodeID, inc wob.Incarnation, addrs []string) {
	if inc.Less(k.inc) {
		return // an older incarnation; it lives, but is not the child any more
	}
	k.inc, k.heard, k.misses, k.unknown, k.hinted, k.doubts = inc, m.now, 0, core.Never, false, 0
	if holder != "" {
		k.holder, k.addrs = holder, addrs
	}
}

// lookAfter asks for every child whose time has come.
func (m *Machine) lookAfter(r *rec) {
	if r.phase == checking || r.phase == moving || r.phase == finished {
		r.timers.Clear(recKids)
		return
	}
	var dueIDs []wob.ID
	for id, k := range r.kids {
		if k.at <= m.now {
			dueIDs = append(dueIDs, id)
		}
	}
	slices.Sort(dueIDs)
	for _, id := range dueIDs {
		m.lookAfterKid(r, r.kids[id])
	}
	m.kidsDue(r)
}

func (m *Machine) lookAfterKid(r *rec, k *kid) {
	wait := m.patience()
	k.at = m.in(wait)
	if own := m.recs[k.id]; own != nil {
		k.heardFrom(m, m.cfg.Self, own.inc(), nil)
		return
	}
	if k.busy || k.calling || slices.Contains(r.returns, k.id) {
		return
	}
	if !k.hinted && m.now.Sub(k.heard) < wait {
		k.at = k.heard.Add(wait)
		return
	}
	k.busy = true
	id := k.id
	m.locate(id, func(in Located) {
		k.busy = false
		if !r.dead && r.kids[id] == k {
			m.kidLocated(r, k, in)
			m.kidsDue(r)
		}
	})
}

func (m *Machine) kidLocated(r *rec, k *kid, in Located) {
	fresh := in.Answer == protocols.Found && !in.Entry.Stale && !in.Entry.Gone && !in.Entry.Inc.Less(k.inc) &&
		(in.Entry.Inc.Holder != m.cfg.Self || m.recs[k.id] != nil)
	switch {
	case fresh && m.now.Sub(k.voice) > silence*m.patience():
		m.visit(r, k, in.Entry)
		return
	case fresh:
		// The index may not have noticed yet what the hint was about: ask again until
		// the child itself is heard, or often enough.
		doubts := k.doubts - 1
		k.heardFrom(m, in.Entry.Inc.Holder, in.Entry.Inc, in.Entry.Addrs)
		k.at = m.in(m.patience())
		if doubts > 0 {
			k.doubts, k.hinted, k.at = doubts, true, m.in(2*m.cfg.ConfirmLost)
		}
		return
	case in.Answer == protocols.Unknown:
		// Nobody can tell: a miss that never permits recovery by itself, but for ever
		// is too long (design, section 6).
		if k.unknown == core.Never {
			k.unknown = m.now
		}
		if m.now.Sub(k.unknown) < m.cfg.LostAfter {
			k.at = m.in(min(m.cfg.ChildCheck, m.cfg.ConfirmLost+m.now.Sub(k.unknown)/2))
			return
		}
	default:
		k.unknown = core.Never
		if in.Answer == protocols.Found && k.inc.Less(in.Entry.Inc) {
			k.inc = in.Entry.Inc
		}
		m.missed(r, k)
		return
	}
	m.lost(r, k)
}

// missed counts an answer that did not find the child. Two in a row make it lost.
func (m *Machine) missed(r *rec, k *kid) {
	if k.misses++; k.misses >= 2 {
		m.lost(r, k)
		return
	}
	k.at, k.hinted = m.in(m.cfg.ConfirmLost), true
	m.kidsDue(r)
}

// doubtful is how often the index is asked again after a hint.
const doubtful = 8

// silence is how many times its patience a parent believes an index that says a child is
// well, while the child itself is not heard.
const silence = 3

// visit asks the holder that the index names: the index is soft state, and a holder that
// answers that it has no such WOB is a miss.
func (m *Machine) visit(r *rec, k *kid, e protocols.Entry) {
	k.busy = true
	m.ask(e.Inc.Holder, e.Addrs, m.cfg.OfferWait,
		func(token uint64) protocols.Body { return protocols.Fetch{Token: token, WOB: k.id} },
		func(body protocols.Body) {
			k.busy = false
			if r.dead || r.kids[k.id] != k {
				return
			}
			info, answered := body.(protocols.Info)
			if answered && !info.Found {
				m.missed(r, k)
				return
			}
			if answered {
				k.voice = m.now
				k.heardFrom(m, e.Inc.Holder, e.Inc, e.Addrs)
			}
			k.at = m.in(m.patience())
			m.kidsDue(r)
		})
}

var (
	_ = onInput((*Machine).childrenLost)
	_ = onInput((*Machine).sendFailed)
	_ = onInput((*Machine).peerDown)
)

// childrenLost is a hint: the children are asked for before anything is done.
func (m *Machine) childrenLost(in ChildrenLost) {
	for i := range in.Entries {
		e := &in.Entries[i]
		if r := m.recs[e.Parent]; r != nil {
			if k := r.kids[e.ID]; k != nil && !k.inc.Less(e.Inc) || k != nil && e.Inc.Holder == k.holder {
				m.suspectKid(r, k)
			}
		}
	}
}

// suspectKid has a child asked for soon.
func (m *Machine) suspectKid(r *rec, k *kid) {
	k.hinted, k.doubts = true, doubtful
	if at := m.in(m.cfg.ConfirmLost); at < k.at {
		k.at = at
		m.kidsDue(r)
	}
}

func (m *Machine) sendFailed(in SendFailed) { m.peerGone(in.Peer, false) }
func (m *Machine) peerDown(in PeerDown)     { m.peerGone(in.Peer, true) }

// peerGone takes note that a node is out of reach, for all that depends on it.
func (m *Machine) peerGone(n wob.NodeID, down bool) {
	for _, r := range slices.Clone(m.list) {
		if r.dead {
			continue
		}
		if r.parentAt == n {
			r.parentAt = ""
		}
		if r.offer != nil && r.offer.to == n && down {
			m.releaseOffer(r, "")
			m.pump(r)
		}
		for _, id := range sortedKeys(r.kids) {
			if k := r.kids[id]; k.holder == n {
				m.suspectKid(r, k)
			}
		}
	}
	m.receiverGone(n, down)
	m.holderGone(n)
}
