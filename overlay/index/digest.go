package index

import (
	"fmt"

	"github.com/wobcompute/wobcompute/protocols"
)

// Digest summarises the fresh entries. It is kept up with every change and does not
// depend on their order. Outdated entries and tombstones are not part of it: each
// replica forgets those by its own clock, and two that forget a second apart must not
// send them to each other for ever.
func (x *Index) Digest() protocols.Digest { return protocols.Digest{Count: x.fresh, Sum: x.sum} }

// hash is FNV-1a over what orders an entry, then mixed so that sums do not cancel.
func hash(e *protocols.Entry) uint64 {
	h := uint64(14695981039346656037)
	text := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	number := func(v uint64) {
		for range 8 {
			h = (h ^ v&0xff) * 1099511628211
			v >>= 8
		}
	}
	text(string(e.ID))
	text(string(e.Inc.Holder))
	number(e.Inc.Epoch)
	number(e.Inc.Moves)
	number(e.Version)
	number(e.Seq)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return h
}

// Check recomputes every sum and compares.
func (x *Index) Check() error {
	fresh := New(len(x.records) + 1)
	for _, e := range x.All() {
		fresh.Apply(e, 0)
	}
	if fresh.Digest() != x.Digest() || fresh.work != x.work || fresh.busy != x.busy || fresh.lost != x.lost {
		return fmt.Errorf("index: digest %v, work %d, busy %d, lost roots %d; recomputed %v, %d, %d, %d",
			x.Digest(), x.work, x.busy, x.lost, fresh.Digest(), fresh.work, fresh.busy, fresh.lost)
	}
	if len(fresh.held) != len(x.held) {
		return fmt.Errorf("index: %d holders, recomputed %d", len(x.held), len(fresh.held))
	}
	for id, h := range fresh.held {
		if x.held[id] == nil || len(x.held[id].ids) != len(h.ids) {
			return fmt.Errorf("index: the entries of holder %s are not all listed under it", id)
		}
	}
	return nil
}
