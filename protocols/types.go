package protocols

import "github.com/wobcompute/wobcompute/wob"

// ClusterID names a cluster; a fresh UUID given by its founder.
type ClusterID string

// Supervisor is one super-peer of a view.
type Supervisor struct {
	ID       wob.NodeID `json:"id"`
	Addrs    []string   `json:"addrs"`
	Capacity int        `json:"capacity"` // lasting connections it can hold

	Bandwidth int64 `json:"bandwidth,omitempty"` // bytes per second, 0 if not measured
}

// View is a cluster's ordered supervisor list. Views of one cluster are totally
// ordered by epoch; the first live supervisor is the primary and alone proposes the
// next view.
type View struct {
	Cluster     ClusterID    `json:"cluster"`
	Epoch       uint64       `json:"epoch"`
	Supervisors []Supervisor `json:"supervisors"`
}

// Workload is the level that wakes idle nodes: it rises when work becomes available,
// at the gateway or in the cluster, and is repeated in every beat, so that no single
// message has to arrive (paper, section 3.1: workload notification). Merge takes the
// larger of each part.
type Workload struct {
	Gateway uint64 `json:"gateway"`
	Cluster uint64 `json:"cluster"`
}

// Merge returns the higher level of both parts.
func (w Workload) Merge(o Workload) Workload {
	return Workload{max(w.Gateway, o.Gateway), max(w.Cluster, o.Cluster)}
}

// Above reports whether w is higher than o in any part.
func (w Workload) Above(o Workload) bool { return w.Gateway > o.Gateway || w.Cluster > o.Cluster }

// Entry is one line of a cluster's WOB index (paper, section 3.1.1). Entries of one
// WOB order by (incarnation, version, seq); replicas merge by maximum, so the order of
// arrival does not matter. Stale marks the paper's "outdated": the holder is missing,
// the entry is still answered and overruled by any fresh one.
type Entry struct {
	ID        wob.ID          `json:"id"`
	App       string          `json:"app,omitempty"`
	Parent    wob.ID          `json:"parent,omitempty"`
	Inc       wob.Incarnation `json:"inc"`
	Version   uint64          `json:"version"`
	Seq       uint64          `json:"seq"` // of the holder, rises with every change and across restarts
	State     wob.State       `json:"state"`
	Remaining float64         `json:"remaining,omitempty"` // effort, in the application's unit
	Speed     float64         `json:"speed,omitempty"`     // the holder's, effort per second
	Addrs     []string        `json:"addrs,omitempty"`     // of the holder
	Stale     bool            `json:"stale,omitempty"`     // "outdated": a hint, never a veto
	Gone      bool            `json:"gone,omitempty"`      // tombstone: finished and merged, dropped or cancelled
}

// Stamp orders e against other entries and backups of the same WOB.
func (e *Entry) Stamp() wob.Stamp { return wob.Stamp{Incarnation: e.Inc, Version: e.Version} }

// Answer is the outcome of a location query.
type Answer string

// Answers. Absent is said only by a supervisor whose index is complete; a miss alone
// never permits recovery (paper, section 3.1.2).
const (
	Found   Answer = "found"
	Absent  Answer = "absent"
	Unknown Answer = "unknown"
)

// WorkAt is one place where work may be had.
type WorkAt struct {
	Holder    wob.NodeID `json:"holder"`
	Addrs     []string   `json:"addrs"`
	WOB       wob.ID     `json:"wob"`
	Remaining float64    `json:"remaining"`
}

// Digest summarises an index, so that two supervisors see whether they agree.
type Digest struct {
	Count int    `json:"count"`
	Sum   uint64 `json:"sum"` // order-free hash of all entries
}
