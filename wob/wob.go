// Package wob defines the Workload Object (WOB), the unit of work of WOBCompute
// (paper, section 3): its fields, its JSON form, its life cycle and the rules S1-S5
// by which children are split off and merged back so that every unit of work counts
// exactly once, whatever crashes.
//
// Exactness rests on five local rules, kept by every copy of a WOB on its own, without
// consensus, fencing or clocks. They repair what the paper leaves open (section 3.1.3
// and 3.4: splitting, backups, recovery of lost WOBs):
//
//   - S1: a child's id is a fresh UUID and fixes its boundary for ever ([WOB.AddChild]).
//   - S2: a parent merges only ids in its own children table; any other result is
//     refused and that child discarded ([WOB.Admit]).
//   - S3: merging a result and marking the child merged is one change; a snapshot holds
//     both or neither ([WOB.MergeChild]).
//   - S4: a WOB is finished only when its own part is done and every entry of its table
//     is merged ([WOB.Complete]).
//   - S5: a child lost beyond recovery returns its part to the parent, and is unknown
//     from then on ([WOB.Reclaim]).
//
// Why that is enough: a copy's value is its own part plus what its table says is merged,
// and a snapshot holds both of one instant. So any copy that finishes is a complete
// answer for its boundary, however old the backup it came from; two living copies are
// two complete answers, of which the parent takes exactly one. The condition is that the
// application's merge depends on nothing but the child's boundary and result.
//
// The tests check this on these very functions against an adversary who crashes copies,
// brings back any snapshot ever stored, loses, repeats and delays messages; and they
// check that each rule, switched off, is missed.
//
// The package is pure: no I/O, no clock, no randomness of its own.
package wob

// ID names a WOB: a UUID in its canonical text form. A child's id is fresh for every
// split and fixes the child's boundary for ever (rule S1).
type ID string

// NodeID names a node: the text form of its libp2p peer ID.
type NodeID string

// Raw is one JSON value, verbatim and immutable. The middleware carries the
// application's fields in it and never looks inside. The empty Raw is JSON null.
type Raw string

// State is where a WOB stands in its life (see CanMove for the allowed transitions).
type State string

// The states of a WOB.
const (
	Created   State = "created"   // split off or injected, not yet computing
	Running   State = "running"   // its own part is being computed
	Suspended State = "suspended" // packed: may be resumed here or moved whole
	Waiting   State = "waiting"   // own part complete, children still out (S4): a stored record
	Finished  State = "finished"  // own part and all children complete, result final
	Merged    State = "merged"    // result is part of the parent
	Lost      State = "lost"      // holder gone; to be recovered or reclaimed
	Failed    State = "failed"    // given up after repeated application failures
	Cancelled State = "cancelled" // its root was cancelled by the owner
)

// Effort measures work in the application's own unit. Total minus Remaining is the
// WOB's own work done; splitting and merging never change that difference.
type Effort struct {
	Total     float64 `json:"total"`
	Remaining float64 `json:"remaining"`
}

// Done is the own work done so far.
func (e Effort) Done() float64 { return max(0, e.Total-e.Remaining) }

// Child is one entry of a WOB's children table. Besides what applications see
// (id, boundary, state) it keeps what the child was born with, so that a child lost
// with all its backups can return its part to the parent (rule S5).
type Child struct {
	ID       ID     `json:"id"`
	Boundary Raw    `json:"boundary"`
	State    State  `json:"state"`
	Birth    Raw    `json:"birth,omitempty"`  // the checkpoint the child was born with
	Effort   Effort `json:"effort,omitzero"`  // at birth
	Meta     Raw    `json:"meta,omitempty"`   // at birth
	Holder   NodeID `json:"holder,omitempty"` // where it was dispatched to: a hint

	extra string // fields of a newer version, kept verbatim
}

// Failure records one application failure, for the people who must find its cause.
type Failure struct {
	Node  NodeID `json:"node"`
	Error string `json:"error"`
	Log   string `json:"log,omitempty"` // last lines of standard error
}

// Stats counts what happened in a WOB's whole subtree. A parent adds its child's
// counts in the same change that merges the child's result, so they are exact too.
type Stats struct {
	WOBs      uint64 `json:"wobs,omitempty"`      // WOBs merged below this one
	Splits    uint64 `json:"splits,omitempty"`    // children split off
	Recovered uint64 `json:"recovered,omitempty"` // resumptions from a backup with own progress in it
	Reclaimed uint64 `json:"reclaimed,omitempty"` // children taken back by S5
	Moves     uint64 `json:"moves,omitempty"`     // migrations
}

// Incarnation tells copies of one WOB apart. Only a recovery raises Epoch; only the
// holder raises Moves, when it migrates the WOB. Copies order by (Epoch, Moves, Holder).
type Incarnation struct {
	Epoch  uint64 `json:"epoch"`
	Moves  uint64 `json:"moves"`
	Holder NodeID `json:"holder"`
}

// Stamp orders the snapshots and index entries of one WOB: by incarnation, then by
// version, the count of checkpoints (clock-free; paper, section 3.1.3).
type Stamp struct {
	Incarnation
	Version uint64 `json:"version"`
}

// WOB is a Workload Object. Its zero value is not valid; see Validate.
// The application's fields (Boundary, Checkpoint, Result, Meta) are opaque.
type WOB struct {
	ID         ID
	App        string // application name, or name@version to pin a version
	Parent     ID     // empty for a root
	Epoch      uint64
	Moves      uint64
	Holder     NodeID // who computes or keeps it; part of its incarnation
	Version    uint64 // counts checkpoints; 0 is the birth WOB
	State      State
	Boundary   Raw // birth boundary, never changes (S1)
	Checkpoint Raw
	Result     Raw
	Meta       Raw
	Effort     Effort
	Children   []Child
	Failures   []Failure
	Stats      Stats

	extra string // fields of a newer version, kept verbatim: see rest
}

// Incarnation returns the WOB's incarnation.
func (w *WOB) Incarnation() Incarnation { return Incarnation{w.Epoch, w.Moves, w.Holder} }

// Stamp returns the WOB's incarnation and version.
func (w *WOB) Stamp() Stamp { return Stamp{w.Incarnation(), w.Version} }
