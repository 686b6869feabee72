package overlay

import (
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// The index among the supervisors: differential updates are gossiped, numbered per
// origin; what gets lost is found by the gap or by the digests in beats.

var _ = handle((*Machine).onIndex)

// maxGossip keeps a body well under the limit of CL_INDEX.
const maxGossip = 48 << 10

func (m *Machine) flushIndex() {
	list := m.sup.publish
	if len(list) == 0 {
		return
	}
	m.sup.publish = nil
	for part := range parts(list, maxGossip, maxListed) {
		m.pubSeq++
		m.emit(Publish{Cluster: m.view.Cluster, Body: protocols.Index{
			Cluster: m.view.Cluster, Origin: m.cfg.Self, Seq: m.pubSeq, Entries: part,
		}})
	}
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
