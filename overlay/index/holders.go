package index

import (
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Held returns the fresh entries of one holder, in the order of their WOBs.
func (x *Index) Held(id wob.NodeID) []protocols.Entry {
	h := x.held[id]
	if h == nil {
		return nil
	}
	ids := make([]wob.ID, 0, len(h.ids))
	for id := range h.ids {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	entries := make([]protocols.Entry, len(ids))
	for i, id := range ids {
		entries[i] = x.records[id].entry
	}
	return entries
}

// SetVia notes the supervisor a holder of fresh entries is attached to.
func (x *Index) SetVia(id, supervisor wob.NodeID) {
	if h := x.held[id]; h != nil {
		h.via = supervisor
	}
}

// Via returns the supervisor a holder was last announced by, empty if unknown.
func (x *Index) Via(id wob.NodeID) wob.NodeID {
	if h := x.held[id]; h != nil {
		return h.via
	}
	return ""
}

// HoldersVia returns the holders announced by a supervisor, sorted; the empty one stands
// for those of which it is not known.
func (x *Index) HoldersVia(supervisor wob.NodeID) []wob.NodeID {
	var ids []wob.NodeID
	for id, h := range x.held {
		if h.via == supervisor {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// MarkStale marks the fresh entries of one holder as outdated and returns them so.
func (x *Index) MarkStale(id wob.NodeID, now core.Time) []protocols.Entry {
	entries := x.Held(id)
	for i := range entries {
		entries[i].Stale = true
		x.Apply(entries[i], now)
	}
	return entries
}
