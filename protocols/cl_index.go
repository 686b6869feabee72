package protocols

import "github.com/wobcompute/wobcompute/wob"

// Index is a differential update of the cluster's WOB index, gossiped among its supervisors.
type Index struct {
	Cluster ClusterID  `json:"cluster"`
	Origin  wob.NodeID `json:"origin"`
	Seq     uint64     `json:"seq"` // consecutive per origin; a gap is repaired by SyncRequest
	Entries []Entry    `json:"entries"`
}

var _ = Define[Index]("CL_INDEX", Rules{MaxBytes: 64 << 10, From: FromSupervisor})

// Kind returns CL_INDEX.
func (Index) Kind() Kind { return "CL_INDEX" }

// Validate checks the bounds of every field; see FieldError.
func (m Index) Validate() error {
	var c checker
	c.cluster("cluster", m.Cluster, false)
	c.node("origin", m.Origin, false)
	c.entries("entries", m.Entries)
	return c.err
}
