package overlay

import (
	"maps"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Repair of the index between two supervisors, and its first copy after an election.

var (
	_ = handle((*Machine).onSyncRequest)
	_ = handle((*Machine).onSync)
	_ = alarm(timerSync, (*Machine).askSync)
	_ = alarm(timerServe, (*Machine).serveIndex)
)

const (
	maxPart   = 512 << 10             // bytes of one part, estimated
	partEvery = 10 * time.Millisecond // between two parts: a large index must not fill a link's queue
)

type syncing struct {
	done    bool // a whole index was received, or there is nobody to ask
	want    map[wob.NodeID]bool
	asked   core.Time
	any     bool                    // asked is set
	news    bool                    // the running repair brought something
	serving map[wob.NodeID][]wob.ID // what is still to be sent to whom
}

// complete reports whether a miss here means that the WOB is not in the cluster.
func (m *Machine) complete() bool {
	return m.sup != nil && m.sup.sync.done && len(m.sup.sync.want) == 0 && m.now >= m.sup.completeAt
}

func (m *Machine) wantSync(from wob.NodeID) {
	m.sup.sync.want[from] = true
	m.sooner(timerSync, m.now)
}

func (m *Machine) askSync() {
	if m.sup == nil {
		return
	}
	s := &m.sup.sync
	if s.done && len(s.want) == 0 {
		return
	}
	if next := s.asked.Add(m.cfg.SyncEvery); s.any && m.now < next {
		m.set(timerSync, next)
		return
	}
	peer := m.syncPeer()
	if peer == "" {
		s.done = true // alone: what is here is all there is
		return
	}
	s.asked, s.any, s.news = m.now, true, false
	m.send(peer, protocols.SyncRequest{Cluster: m.view.Cluster, Digest: m.sup.index.Digest()})
	m.set(timerSync, m.now.Add(m.cfg.SyncEvery))
}

// syncPeer chooses whom to ask: one that is known to differ, else any live one.
func (m *Machine) syncPeer() wob.NodeID {
	for _, id := range slices.Sorted(maps.Keys(m.sup.sync.want)) {
		if m.sup.colleagues[id] != nil && !m.down[id] {
			return id
		}
	}
	var live []wob.NodeID
	for _, id := range m.live() {
		if id != m.cfg.Self {
			live = append(live, id)
		}
	}
	if len(live) == 0 {
		clear(m.sup.sync.want)
		return ""
	}
	return live[m.rng.IntN(len(live))]
}

func (m *Machine) onSyncRequest(from wob.NodeID, r protocols.SyncRequest) {
	if m.sup == nil || r.Cluster != m.view.Cluster || m.sup.colleagues[from] == nil {
		m.reject(from, r.Kind(), "not of this cluster's supervisors")
		return
	}
	if _, running := m.sup.sync.serving[from]; running {
		return
	}
	var ids []wob.ID
	if r.Digest.Count == 0 || r.Digest != m.sup.index.Digest() {
		ids = m.sup.index.IDs()
	}
	m.sup.sync.serving[from] = ids
	m.sooner(timerServe, m.now)
}

// serveIndex sends the next part to each supervisor that asked.
func (m *Machine) serveIndex() {
	if m.sup == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(m.sup.sync.serving)) {
		m.servePart(id)
	}
	if len(m.sup.sync.serving) > 0 {
		m.set(timerServe, m.now.Add(partEvery))
	} else if m.leaving {
		m.sooner(timerLeave, m.now.Add(partEvery))
	}
}

func (m *Machine) servePart(to wob.NodeID) {
	ids := m.sup.sync.serving[to]
	body := protocols.Sync{Cluster: m.view.Cluster, Via: map[wob.NodeID]wob.NodeID{}}
	size := 0
	for len(ids) > 0 && size < maxPart && len(body.Entries) < maxListed {
		if e, ok := m.sup.index.Get(ids[0]); ok {
			size += jsonSize(&e)
			body.Entries = append(body.Entries, e)
			if via := m.sup.index.Via(e.Inc.Holder); via != "" {
				body.Via[e.Inc.Holder] = via
			}
		}
		ids = ids[1:]
	}
	m.sup.sync.serving[to] = ids
	if len(ids) == 0 {
		delete(m.sup.sync.serving, to)
		body.Last = true
		body.Seqs = map[wob.NodeID]uint64{m.cfg.Self: m.pubSeq}
		for id, c := range m.sup.colleagues {
			if c.applied != 0 {
				body.Seqs[id] = c.applied
			}
		}
	}
	m.send(to, body)
}

func (m *Machine) onSync(from wob.NodeID, b protocols.Sync) {
	var c *colleague
	if m.sup != nil && b.Cluster == m.view.Cluster {
		c = m.sup.colleagues[from]
	}
	if c == nil {
		m.reject(from, b.Kind(), "not of this cluster's supervisors")
		return
	}
	s := &m.sup.sync
	for _, e := range b.Entries {
		via := b.Via[e.Inc.Holder]
		if m.sup.roster.Get(e.Inc.Holder) != nil {
			via = m.cfg.Self
		}
		s.news = m.list(e, via) || s.news
		m.recall(e)
	}
	if !b.Last {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(b.Seqs)) {
		if other := m.sup.colleagues[id]; other != nil {
			other.applied = max(other.applied, b.Seqs[id])
		}
	}
	s.done = true
	delete(s.want, from)
	if s.news {
		c.patience = 2
	} else {
		c.patience = min(2*c.patience, 64)
	}
}
