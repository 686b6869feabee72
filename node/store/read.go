package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/wobcompute/wobcompute/wob"
)

// Backup returns the newest snapshot stored for a WOB, or an error that wraps ErrNotFound.
func (s *Store) Backup(id wob.ID) (*wob.WOB, error) {
	b, err := s.kv.Get(context.Background(), backupPrefix+string(id))
	if err != nil {
		return nil, err
	}
	w, err := wob.Decode(b)
	if err != nil {
		return nil, Damaged{id, err}
	}
	return w, nil
}

// Backups returns the headers of all stored snapshots (no application's fields, no
// children), ordered by id.
func (s *Store) Backups() []*wob.WOB {
	s.mu.Lock()
	defer s.mu.Unlock()
	hs := make([]*wob.WOB, 0, len(s.backups))
	for _, h := range s.backups {
		hs = append(hs, h)
	}
	slices.SortFunc(hs, func(a, b *wob.WOB) int { return cmp.Compare(a.ID, b.ID) })
	return hs
}

// Tomb returns a WOB's tombstone.
func (s *Store) Tomb(id wob.ID) (Tomb, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tombs[id]
	return t, ok
}

// Tombs returns all tombstones, ordered by id.
func (s *Store) Tombs() []Tomb {
	s.mu.Lock()
	defer s.mu.Unlock()
	ts := make([]Tomb, 0, len(s.tombs))
	for _, t := range s.tombs {
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(a, b Tomb) int { return cmp.Compare(a.ID, b.ID) })
	return ts
}

// PutMeta stores v as JSON under a name, fsynced.
func (s *Store) PutMeta(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return s.kv.Commit(ctx, []Op{Put(metaPrefix+name, b)}, true)
}

// GetMeta reads what PutMeta stored into v; ok is false if there is nothing.
func (s *Store) GetMeta(ctx context.Context, name string, v any) (ok bool, err error) {
	b, err := s.kv.Get(ctx, metaPrefix+name)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("stored %s: %w", name, err)
	}
	return true, nil
}

// NextBoot counts the starts of this node: 1, 2, 3, each stored before it is returned.
func (s *Store) NextBoot() (uint64, error) {
	ctx := context.Background()
	var n uint64
	if _, err := s.GetMeta(ctx, "boot", &n); err != nil {
		return 0, err
	}
	n++
	return n, s.PutMeta(ctx, "boot", n)
}

// Err returns why the store failed, nil while it is sound.
func (s *Store) Err() error { return s.kv.Err() }

// Syncs counts the fsynced commits since the store was opened.
func (s *Store) Syncs() uint64 { return s.kv.Syncs() }

// Close writes what is queued and closes the store.
func (s *Store) Close() error { return s.kv.Close() }
