package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dssync "github.com/ipfs/go-datastore/sync"
)

// Errors of a store.
var (
	ErrCorrupt  = errors.New("store is corrupt")
	ErrLocked   = errors.New("store is in use by another process")
	ErrFailed   = errors.New("store failed and takes no more writes; restart after the disk is repaired")
	ErrClosed   = errors.New("store is closed")
	ErrNotFound = errors.New("not in the store")
)

// Op is one change of a key. Keys begin with a slash and do not end with one.
type Op struct {
	Key   string
	Value []byte // of a put
	Del   bool
}

// Put and Del make operations.
func Put(key string, value []byte) Op { return Op{Key: key, Value: value} }

// Del makes the operation that removes a key.
func Del(key string) Op { return Op{Key: key, Del: true} }

// KV is a durable key-value store on go-datastore: atomic batches, collected into as
// few fsyncs as the disk allows, and a failure that is final. The node's WOB store and
// the gateway stand on it.
type KV struct {
	dir    string
	synced ds.Batching // commits with fsync
	plain  ds.Batching // commits without; the same data
	db     *pebble.DB  // nil in memory
	health *health
	close  func() error

	mu      sync.Mutex // guards queue and stopped
	wake    *sync.Cond
	queue   []*pending
	stopped bool
	done    chan struct{} // the committer has ended
	syncs   atomic.Uint64 // fsynced commits
}

// pending is a batch on its way. build runs on the committer, immediately before the
// commit, so that it sees every batch before it.
type pending struct {
	build func() []Op
	sync  bool
	then  func(error)
}

// maxGroup bounds the batches of one commit, so that a long queue of large WOBs does
// not become one huge batch in memory.
const maxGroup = 256

// NewMemory returns a store that lives in memory, for tests.
func NewMemory() *KV {
	m := dssync.MutexWrap(ds.NewMapDatastore())
	return start(&KV{synced: m, plain: m, health: new(health), close: m.Close})
}

func start(kv *KV) *KV {
	kv.wake = sync.NewCond(&kv.mu)
	kv.done = make(chan struct{})
	go kv.commitLoop()
	return kv
}

// Err returns why the store failed, nil while it is sound.
func (kv *KV) Err() error { return kv.health.err() }

// Get returns the value of a key, or ErrNotFound.
func (kv *KV) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := kv.plain.Get(ctx, ds.RawKey(key))
	switch {
	case errors.Is(err, ds.ErrNotFound):
		return nil, fmt.Errorf("%w: %s", ErrNotFound, key)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", key, kv.blame(err))
	}
	return b, nil
}

// Scan calls fn for every key that begins with prefix, in ascending order, until fn
// fails. The value is fn's to keep. It sees one moment of the store.
func (kv *KV) Scan(ctx context.Context, prefix string, fn func(key string, value []byte) error) error {
	if kv.db == nil {
		return kv.scanMemory(ctx, prefix, fn)
	}
	// Not ds.Query: go-ds-pebble ends a query early, and without an error, at a
	// damaged block.
	it, err := kv.db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: after(prefix)})
	if err != nil {
		return fmt.Errorf("scan %s: %w", prefix, kv.blame(err))
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("scan %s: %w", prefix, kv.blame(err))
		}
		if err := fn(string(it.Key()), append([]byte(nil), v...)); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("scan %s: %w", prefix, kv.blame(err))
	}
	return ctx.Err()
}

func (kv *KV) scanMemory(ctx context.Context, prefix string, fn func(string, []byte) error) error {
	r, err := kv.plain.Query(ctx, query.Query{Orders: []query.Order{query.OrderByKey{}}})
	if err != nil {
		return err
	}
	es, err := r.Rest()
	if err != nil {
		return err
	}
	for _, e := range es {
		if len(e.Key) >= len(prefix) && e.Key[:len(prefix)] == prefix {
			if err := fn(e.Key, append([]byte(nil), e.Value...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// after returns the first key above all keys with the prefix.
func after(prefix string) []byte {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// blame names the directory and the next step for an error that means corruption.
func (kv *KV) blame(err error) error {
	if pebble.IsCorruptionError(err) {
		return corrupt(kv.dir, err)
	}
	return err
}

// Commit writes ops as one atomic batch and waits for it: with sync until it is
// fsynced. When ctx ends first, the batch may still be written.
func (kv *KV) Commit(ctx context.Context, ops []Op, sync bool) error {
	done := make(chan error, 1)
	kv.CommitFunc(func() []Op { return ops }, sync, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("write to the store: %w", ctx.Err())
	}
}

// CommitFunc queues a batch. Batches are written in the order of the calls; those that
// arrive during an fsync share the next one. build is called immediately before the
// write and then after the write, both on one goroutine of the store; neither may
// block or call Commit.
func (kv *KV) CommitFunc(build func() []Op, sync bool, then func(error)) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if kv.stopped {
		go then(ErrClosed)
		return
	}
	kv.queue = append(kv.queue, &pending{build, sync, then})
	kv.wake.Signal()
}

func (kv *KV) commitLoop() {
	defer close(kv.done)
	for {
		group := kv.nextGroup()
		if group == nil {
			return
		}
		err := kv.health.err()
		if err == nil {
			err = kv.commit(group)
		}
		for _, p := range group {
			p.then(err)
		}
	}
}

// nextGroup waits for batches and takes what has gathered; nil at the end.
func (kv *KV) nextGroup() []*pending {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	for len(kv.queue) == 0 {
		if kv.stopped {
			return nil
		}
		kv.wake.Wait()
	}
	n := min(len(kv.queue), maxGroup)
	group := kv.queue[:n:n]
	kv.queue = kv.queue[n:]
	return group
}

// commit writes a group as one batch. Any error is final: after a failed fsync nobody
// knows what is on the disk, and trying again can report success for data that is lost.
func (kv *KV) commit(group []*pending) (err error) {
	defer func() {
		if r := recover(); r != nil { // pebble panics where it cannot go on
			kv.health.fail(fmt.Errorf("%v", r))
		}
		if err != nil {
			kv.health.fail(err)
		}
		err = kv.health.err() // a failure that only the logger heard of counts too
	}()
	ctx := context.Background()
	sync := false
	for _, p := range group {
		sync = sync || p.sync
	}
	to := kv.plain
	if sync {
		to = kv.synced
	}
	b, err := to.Batch(ctx)
	if err != nil {
		return err
	}
	for _, p := range group {
		for _, op := range p.build() {
			if op.Del {
				err = b.Delete(ctx, ds.RawKey(op.Key))
			} else {
				err = b.Put(ctx, ds.RawKey(op.Key), op.Value)
			}
			if err != nil {
				return fmt.Errorf("write %s: %w", op.Key, err)
			}
		}
	}
	if err := b.Commit(ctx); err != nil {
		return err
	}
	if sync {
		kv.syncs.Add(1)
	}
	return nil
}

// Syncs counts the fsynced commits since the store was opened; batches that were
// committed together count once.
func (kv *KV) Syncs() uint64 { return kv.syncs.Load() }

// Close writes what is queued and closes the store.
func (kv *KV) Close() error {
	kv.mu.Lock()
	again := kv.stopped
	kv.stopped = true
	kv.wake.Signal()
	kv.mu.Unlock()
	<-kv.done
	if again {
		return nil
	}
	return kv.close()
}

// health remembers the first failure of a store.
type health struct {
	mu    sync.Mutex // guards first
	first error
}

func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first
}

func (h *health) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == nil {
		h.first = fmt.Errorf("%w: %w", ErrFailed, err)
	}
}
