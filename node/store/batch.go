package store

import (
	"encoding/json"
	"fmt"

	"github.com/wobcompute/wobcompute/wob"
)

// encoded is a batch in bytes. The backups wait apart: whether they are written is
// decided when all earlier batches are.
type encoded struct {
	rest    []Op
	backups [][]byte
}

func encode(b Batch) (encoded, error) {
	var e encoded
	for _, id := range b.DropHeld {
		e.rest = append(e.rest, Del(heldPrefix+string(id)))
	}
	for _, id := range b.DropBackups {
		e.rest = append(e.rest, Del(backupPrefix+string(id)))
	}
	for _, id := range b.DropTombs {
		e.rest = append(e.rest, Del(tombPrefix+string(id)))
	}
	for _, w := range b.Held {
		v, err := w.Encode()
		if err != nil {
			return e, fmt.Errorf("store WOB: %w", err)
		}
		e.rest = append(e.rest, Put(heldPrefix+string(w.ID), v))
	}
	for _, t := range b.Tombs {
		v, err := json.Marshal(t)
		if err != nil {
			return e, fmt.Errorf("store tombstone of %s: %w", t.ID, err)
		}
		e.rest = append(e.rest, Put(tombPrefix+string(t.ID), v))
	}
	for _, w := range b.Backups {
		v, err := w.Encode()
		if err != nil {
			return e, fmt.Errorf("store backup: %w", err)
		}
		e.backups = append(e.backups, v)
	}
	return e, nil
}

// admit decides which backups of b are written, updates the tables in memory and
// returns the operations and the newer headers known. It runs on the committer: the
// tables are ahead of the disk by one commit at most, and if that fails for good.
func (s *Store) admit(b Batch, e *encoded) (ops []Op, newer []*wob.WOB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range b.DropBackups {
		delete(s.backups, id)
	}
	for _, id := range b.DropTombs {
		delete(s.tombs, id)
	}
	for _, t := range b.Tombs {
		s.tombs[t.ID] = t
	}
	for i, w := range b.Backups {
		if t, ok := s.tombs[w.ID]; ok && !t.Inc.Less(w.Incarnation()) {
			newer = append(newer, t.header())
			continue
		}
		if old := s.backups[w.ID]; old != nil && w.Stamp().Less(old.Stamp()) {
			newer = append(newer, old)
			continue
		}
		s.backups[w.ID] = header(w)
		ops = append(ops, Put(backupPrefix+string(w.ID), e.backups[i]))
	}
	return ops, newer
}

// header is the WOB that a tombstone stands for, as far as it is known.
func (t Tomb) header() *wob.WOB {
	h := &wob.WOB{ID: t.ID, Epoch: t.Inc.Epoch, Moves: t.Inc.Moves, Holder: t.Inc.Holder, State: t.State}
	if h.State != wob.Cancelled {
		h.State = wob.Merged
	}
	return h
}
