package protocols

import "github.com/wobcompute/wobcompute/wob"

// Sync answers SyncRequest with the whole index, in parts.
type Sync struct {
	Cluster ClusterID             `json:"cluster"`
	Entries []Entry               `json:"entries"`
	Seqs    map[wob.NodeID]uint64 `json:"seqs,omitempty"` // last gossip sequence applied, per origin
	Last    bool                  `json:"last"`

	Via map[wob.NodeID]wob.NodeID `json:"via,omitempty"` // the supervisor each holder is attached to
}

var _ = Define[Sync]("CL_SYNC", Rules{MaxBytes: 1 << 20, From: FromSupervisor})

// Kind returns CL_SYNC.
func (Sync) Kind() Kind { return "CL_SYNC" }

// Validate checks the bounds of every field; see FieldError.
func (m Sync) Validate() error {
	var c checker
	c.cluster("cluster", m.Cluster, false)
	c.entries("entries", m.Entries)
	c.count("seqs", len(m.Seqs), 0, maxSupervisors)
	for id := range m.Seqs { // any bad one is the same error
		c.node("seqs", id, false)
	}
	c.count("via", len(m.Via), 0, maxEntries)
	for id, via := range m.Via {
		c.node("via", id, false)
		c.node("via", via, false)
	}
	return c.err
}
