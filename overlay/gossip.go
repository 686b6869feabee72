package overlay

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// The index among the supervisors: differential updates are gossiped, numbered per
// origin; what gets lost is found by the gap or by the digests in beats.

var _ = handle((*Machine).onIndex)

const (
	maxGossip   = 48 << 10              // keeps a body well under the limit of CL_INDEX
	gossipEvery = 50 * time.Millisecond // between two publications: each is signed, and verified by every supervisor
)

// gossiping is what waits for the next publication. A first change goes out at once;
// what follows soon goes together, of each WOB the newest entry alone.
type gossiping struct {
	entries []protocols.Entry
	last    core.Time
	any     bool // there was a publication, at the instant last
}

func (m *Machine) flushIndex() {
	g := &m.sup.publish
	if len(g.entries) == 0 {
		return
	}
	if due := g.last.Add(gossipEvery); g.any && m.now < due {
		m.sooner(timerFlush, due)
		return
	}
	list := newestOnly(g.entries)
	*g = gossiping{last: m.now, any: true}
	for part := range parts(list, maxGossip, maxListed) {
		m.pubSeq++
		m.emit(Publish{Cluster: m.view.Cluster, Body: protocols.Index{
			Cluster: m.view.Cluster, Origin: m.cfg.Self, Seq: m.pubSeq, Entries: part,
		}})
	}
}

// newestOnly keeps the last entry of each WOB, in the order of their first ones.
func newestOnly(entries []protocols.Entry) []protocols.Entry {
	at := make(map[wob.ID]int, len(entries))
	kept := entries[:0]
	for _, e := range entries {
		if i, twice := at[e.ID]; twice {
			kept[i] = e
			continue
		}
		at[e.ID] = len(kept)
		kept = append(kept, e)
	}
	return kept
}

func (m *Machine) onIndex(from wob.NodeID, x protocols.Index) {
	var c *colleague
	if m.sup != nil && x.Cluster == m.view.Cluster && x.Origin == from {
		c = m.sup.colleagues[from]
	}
	if c == nil {
		m.reject(from, x.Kind(), "not of this cluster's supervisors")
		return
	}
	for _, e := range x.Entries {
		m.list(e, from)
		m.recall(e)
	}
	if c.applied != 0 && x.Seq > c.applied+1 {
		m.wantSync(from)
	}
	c.applied = max(c.applied, x.Seq)
}

// recall asks a member to speak up when a colleague calls its WOB outdated.
func (m *Machine) recall(e protocols.Entry) {
	if !e.Stale || e.Gone {
		return
	}
	member := m.sup.roster.Get(e.Inc.Holder)
	if member == nil {
		return
	}
	if known, ok := m.sup.index.Get(e.ID); ok && known.Stale && known.Inc == e.Inc && known.Seq == e.Seq {
		m.askResend(member)
	}
}

// compare looks at a colleague's digest. Updates on their way make digests differ for
// an instant, so only a difference that lasts is repaired, and more patiently when the
// last repair brought nothing.
func (m *Machine) compare(from wob.NodeID, c *colleague, d protocols.Digest) {
	if d == m.sup.index.Digest() {
		c.differing, c.patience = 0, 2
		return
	}
	if c.differing++; c.differing >= c.patience {
		c.differing = 0
		m.wantSync(from)
	}
}
