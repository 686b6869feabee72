// Package store keeps a node's WOBs on disk: its own, the snapshots it holds for other
// nodes (paper, section 3.1.3), the tombstones of WOBs that are over, and small facts
// such as the boot counter. Everything stands on KV, a durable key-value store on
// go-datastore that the gateway uses as well.
package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/wob"
)

// Key prefixes.
const (
	heldPrefix   = "/held/"
	backupPrefix = "/backup/"
	tombPrefix   = "/tomb/"
	metaPrefix   = "/meta/"
	asidePrefix  = "/aside/" // damaged records, kept for whoever looks into it
)

// Tomb remembers that a WOB is over: finished and merged, dropped or cancelled.
// Snapshots of the WOB up to this incarnation are refused.
type Tomb struct {
	ID    wob.ID          `json:"id"`
	Inc   wob.Incarnation `json:"inc"`
	State wob.State       `json:"state,omitempty"`
	At    time.Time       `json:"at"`
}

// Batch is one atomic change of a store. Removals come before additions.
type Batch struct {
	Held        []*wob.WOB // own WOBs
	DropHeld    []wob.ID
	Backups     []*wob.WOB // snapshots kept for others; older than the stored one are refused
	DropBackups []wob.ID
	Tombs       []Tomb
	DropTombs   []wob.ID
}

// Result tells what became of a batch.
type Result struct {
	Err error
	// Newer lists the batch's backups that were not written because the store knows
	// better: the header (all but the application's fields, children and history) of the
	// newer snapshot, or of the WOB's tombstone, then with state merged or cancelled.
	Newer []*wob.WOB
}

// Damaged names a record that could not be read. It is kept aside, not deleted.
type Damaged struct {
	ID  wob.ID
	Err error
}

func (d Damaged) Error() string {
	return fmt.Sprintf("the stored WOB %s is damaged and was put aside: %v", d.ID, d.Err)
}

// Unwrap returns the cause.
func (d Damaged) Unwrap() error { return d.Err }

// Store keeps a node's WOBs. Its methods may be called side by side.
type Store struct {
	kv      *KV
	held    []*wob.WOB // as loaded at the start, until Held takes them
	damaged []Damaged

	mu      sync.Mutex // guards backups and tombs
	backups map[wob.ID]*wob.WOB
	tombs   map[wob.ID]Tomb
}

// Open opens the store in dir, making it if there is none. A store that is corrupt or
// in use is refused with an error that wraps ErrCorrupt or ErrLocked and says what to do.
func Open(dir string) (*Store, error) {
	kv, err := OpenKV(dir)
	if err != nil {
		return nil, err
	}
	return load(kv)
}

// OpenMemory returns an empty store that lives in memory, for tests.
func OpenMemory() *Store {
	s, err := load(NewMemory())
	if err != nil {
		panic(err) // there is nothing in it that could fail to load
	}
	return s
}

// load reads everything once: this rebuilds the table of the newest snapshots, and
// finds damage before the node relies on the store.
func load(kv *KV) (*Store, error) {
	s := &Store{kv: kv, backups: map[wob.ID]*wob.WOB{}, tombs: map[wob.ID]Tomb{}}
	ctx := context.Background()
	var aside []Op
	spoilt := func(key string, value []byte, err error) {
		s.damaged = append(s.damaged, Damaged{wob.ID(key[strings.LastIndexByte(key, '/')+1:]), err})
		aside = append(aside, Del(key), Put(asidePrefix+key[1:], value))
	}
	err := kv.Scan(ctx, "/", func(key string, value []byte) error {
		switch {
		case strings.HasPrefix(key, heldPrefix):
			w, err := wob.Decode(value)
			if err != nil {
				spoilt(key, value, err)
				return nil
			}
			s.held = append(s.held, w)
		case strings.HasPrefix(key, backupPrefix):
			w, err := wob.Decode(value)
			if err != nil {
				spoilt(key, value, err)
				return nil
			}
			s.backups[w.ID] = header(w)
		case strings.HasPrefix(key, tombPrefix):
			var t Tomb
			if err := json.Unmarshal(value, &t); err != nil {
				spoilt(key, value, err)
				return nil
			}
			s.tombs[t.ID] = t
		}
		return nil
	})
	if err == nil && len(aside) > 0 {
		err = kv.Commit(ctx, aside, true)
	}
	if err != nil {
		kv.abandon()
		return nil, err
	}
	return s, nil
}

// header is what the store remembers of a snapshot in memory.
func header(w *wob.WOB) *wob.WOB {
	return &wob.WOB{ID: w.ID, App: w.App, Parent: w.Parent, Epoch: w.Epoch, Moves: w.Moves, Holder: w.Holder,
		Version: w.Version, State: w.State, Effort: w.Effort}
}

// Held returns the own WOBs that were stored when the store was opened, ordered by id,
// and the records (of any kind) that could not be read. It is called once, at the start.
func (s *Store) Held() ([]*wob.WOB, []Damaged) {
	held := s.held
	s.held = nil
	return held, s.damaged
}

// Write writes a batch and waits: with sync until it is fsynced.
func (s *Store) Write(ctx context.Context, b Batch, sync bool) (Result, error) {
	done := make(chan Result, 1)
	s.WriteAsync(b, sync, func(r Result) { done <- r })
	select {
	case r := <-done:
		return r, r.Err
	case <-ctx.Done():
		err := fmt.Errorf("write to the store: %w", ctx.Err())
		return Result{Err: err}, err
	}
}

// WriteAsync queues a batch and calls then when it is written, with sync: fsynced.
// Batches are written in the order of the calls, and then is called in that order on
// one goroutine; it must not block. Batches that arrive during an fsync share the next.
func (s *Store) WriteAsync(b Batch, sync bool, then func(Result)) {
	ops, err := encode(b)
	if err != nil {
		// Through the queue all the same, for the order of the callbacks.
		s.kv.CommitFunc(func() []Op { return nil }, false, func(error) { then(Result{Err: err}) })
		return
	}
	var r Result
	s.kv.CommitFunc(func() []Op {
		var backups []Op
		backups, r.Newer = s.admit(b, &ops)
		return append(ops.rest, backups...)
	}, sync, func(err error) {
		r.Err = err
		then(r)
	})
}
