// Package index is one supervisor's replica of its cluster's WOB index (paper,
// sections 3.1.1 and 3.1.3): where every WOB of the cluster is, fresh or outdated.
//
// Replicas merge by maximum over a total order of entries, so they converge whatever
// the order, the loss or the repetition of updates (a join-semilattice).
package index

import (
	"cmp"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Compare orders two entries of one WOB: by incarnation, then a tombstone above the
// living, then by version and the holder's sequence, then outdated above fresh. A
// tombstone ends its incarnation whatever late update arrives; a recovery, which has a
// higher one, is stronger. "Outdated" is later news about the same sequence, overruled
// by the next word of the holder.
func Compare(a, b *protocols.Entry) int {
	if c := a.Inc.Compare(b.Inc); c != 0 {
		return c
	}
	if a.Gone != b.Gone {
		return side(a.Gone)
	}
	if c := cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Seq, b.Seq)); c != 0 {
		return c
	}
	if a.Stale != b.Stale {
		return side(a.Stale)
	}
	return 0
}

func side(greater bool) int {
	if greater {
		return 1
	}
	return -1
}

// Outcome says what Apply did.
type Outcome uint8

// Outcomes of Apply.
const (
	Same    Outcome = iota // known already
	Older                  // a higher entry is known and stays
	Changed                // the entry is the newest known now
	Full                   // a new WOB, and the index has no room for it
)

type record struct {
	entry protocols.Entry
	since core.Time // when it became outdated or a tombstone here
}

// Index is a replica. It is not safe for concurrent use; entries handed out are values.
type Index struct {
	limit   int
	records map[wob.ID]*record
	held    map[wob.NodeID]*holder // by the holder of fresh entries
	sum     uint64                 // of the fresh entries
	fresh   int
	work    int
	busy    int
	lost    int // outdated roots
	stale   queue
	gone    queue
}

type holder struct {
	ids map[wob.ID]struct{}
	via wob.NodeID // the supervisor it is attached to, as far as known
}

// New returns an empty index of at most limit WOBs.
func New(limit int) *Index {
	return &Index{limit: limit, records: map[wob.ID]*record{}, held: map[wob.NodeID]*holder{}}
}

// Apply merges e at the instant now.
func (x *Index) Apply(e protocols.Entry, now core.Time) Outcome {
	r := x.records[e.ID]
	if r == nil {
		if len(x.records) >= x.limit {
			return Full
		}
		r = &record{entry: e}
		x.records[e.ID] = r
	} else {
		if c := Compare(&e, &r.entry); c < 0 {
			return Older
		} else if c == 0 {
			return Same
		}
		x.count(&r.entry, -1)
		r.entry = e
	}
	x.count(&r.entry, +1)
	switch {
	case e.Gone:
		r.since = now
		x.gone.push(mark{e.ID, now}, len(x.records), func(m mark) bool { return x.marked(m, true) })
	case e.Stale:
		r.since = now
		x.stale.push(mark{e.ID, now}, len(x.records), func(m mark) bool { return x.marked(m, false) })
	}
	return Changed
}

// count adds or removes an entry's part in the sums; most are of the fresh entries.
func (x *Index) count(e *protocols.Entry, by int) {
	if e.Stale && !e.Gone && e.Parent == "" {
		x.lost += by
	}
	if !IsFresh(e) {
		return
	}
	x.fresh += by
	h := x.held[e.Inc.Holder]
	if by > 0 {
		x.sum += hash(e)
		if h == nil {
			h = &holder{ids: map[wob.ID]struct{}{}}
			x.held[e.Inc.Holder] = h
		}
		h.ids[e.ID] = struct{}{}
	} else {
		x.sum -= hash(e)
		delete(h.ids, e.ID)
		if len(h.ids) == 0 {
			delete(x.held, e.Inc.Holder)
		}
	}
	if HasWork(e) {
		x.work += by
	}
	if isBusy(e) {
		x.busy += by
	}
}

// IsFresh reports whether e is neither outdated nor a tombstone.
func IsFresh(e *protocols.Entry) bool { return !e.Stale && !e.Gone }

// HasWork reports whether work can be had of e: a running WOB with something left to
// split, or a suspended one to be taken over whole.
func HasWork(e *protocols.Entry) bool {
	return IsFresh(e) && (e.State == wob.Running && e.Remaining > 0 || e.State == wob.Suspended)
}

func isBusy(e *protocols.Entry) bool {
	return e.State == wob.Running || e.State == wob.Suspended || e.State == wob.Waiting
}

// Get returns the newest entry known of id, which may be outdated or a tombstone.
func (x *Index) Get(id wob.ID) (protocols.Entry, bool) {
	if r := x.records[id]; r != nil {
		return r.entry, true
	}
	return protocols.Entry{}, false
}

// Len counts all WOBs, Fresh the fresh ones, Work those with work to be had, and Busy
// those that are being computed, wait for their children or are suspended.
func (x *Index) Len() int   { return len(x.records) }
func (x *Index) Fresh() int { return x.fresh }
func (x *Index) Work() int  { return x.work }
func (x *Index) Busy() int  { return x.busy }

// LostRoots counts the roots whose holder is missing: the gateway lends them again.
func (x *Index) LostRoots() int { return x.lost }

// IDs returns all WOBs, sorted.
func (x *Index) IDs() []wob.ID {
	ids := make([]wob.ID, 0, len(x.records))
	for id := range x.records {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// All returns all entries in the order of their WOBs.
func (x *Index) All() []protocols.Entry {
	all := make([]protocols.Entry, 0, len(x.records))
	for _, id := range x.IDs() {
		all = append(all, x.records[id].entry)
	}
	return all
}

// EachWork calls f for every entry with work, in no order: f must choose by a total one.
func (x *Index) EachWork(f func(*protocols.Entry)) {
	for _, r := range x.records {
		if HasWork(&r.entry) {
			f(&r.entry)
		}
	}
}
