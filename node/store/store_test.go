package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wobcompute/wobcompute/wob"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("WOB_STORE_WRITER"); dir != "" {
		writeForEver(dir)
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// id makes the nth id of a test.
func id(n int) wob.ID { return wob.ID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

// snapshot makes a WOB as a holder would store it.
func snapshot(n int, epoch, version uint64) *wob.WOB {
	return &wob.WOB{ID: id(n), App: "primes", Parent: id(999), Epoch: epoch, Holder: "12D3KooWholder", Version: version,
		State: wob.Running, Boundary: `{"from":0,"to":100}`, Checkpoint: wob.Raw(fmt.Sprintf(`{"at":%d}`, version)),
		Effort: wob.Effort{Total: 100, Remaining: 60}}
}

func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	require.NoError(t, err)
	return s
}

func write(t *testing.T, s *Store, b Batch) Result {
	t.Helper()
	r, err := s.Write(ctx, b, true)
	require.NoError(t, err)
	return r
}

// stores runs a test on both kinds of store.
func stores(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Run("disk", func(t *testing.T) {
		s := opened(t, t.TempDir())
		test(t, s)
		require.NoError(t, s.Close())
	})
	t.Run("memory", func(t *testing.T) {
		s := OpenMemory()
		test(t, s)
		require.NoError(t, s.Close())
	})
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	own := snapshot(1, 1, 4)
	require.NoError(t, own.AddChild(wob.Child{ID: id(7), State: wob.Created, Boundary: "1", Birth: `{"b":1}`}))
	write(t, s, Batch{Held: []*wob.WOB{own, snapshot(2, 1, 1)}, Backups: []*wob.WOB{snapshot(3, 2, 5), snapshot(4, 1, 1)}})
	tomb := Tomb{ID: id(4), Inc: snapshot(4, 1, 1).Incarnation(), State: wob.Merged, At: time.Unix(1e9, 0).UTC()}
	write(t, s, Batch{DropHeld: []wob.ID{id(2)}, DropBackups: []wob.ID{id(4)}, Tombs: []Tomb{tomb}})
	require.NoError(t, s.PutMeta(ctx, "view", map[string]int{"epoch": 3}))
	for want := range uint64(2) {
		n, err := s.NextBoot()
		require.NoError(t, err)
		require.Equal(t, want+1, n)
	}
	require.NoError(t, s.Close())

	s = opened(t, dir)
	held, damaged := s.Held()
	require.Empty(t, damaged)
	require.Equal(t, []*wob.WOB{own}, held)
	b, err := s.Backup(id(3))
	require.NoError(t, err)
	require.Equal(t, snapshot(3, 2, 5), b)
	_, err = s.Backup(id(4))
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, []Tomb{tomb}, s.Tombs())
	require.Len(t, s.Backups(), 1)
	var view map[string]int
	ok, err := s.GetMeta(ctx, "view", &view)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 3, view["epoch"])
	ok, err = s.GetMeta(ctx, "nothing", &view)
	require.NoError(t, err)
	require.False(t, ok)
	n, err := s.NextBoot()
	require.NoError(t, err)
	require.Equal(t, uint64(3), n)
	require.NoError(t, s.Close())
}

func TestOlderSnapshotsAreRefused(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		newest := snapshot(1, 2, 5)
		require.Empty(t, write(t, s, Batch{Backups: []*wob.WOB{newest}}).Newer)
		r := write(t, s, Batch{Backups: []*wob.WOB{snapshot(1, 2, 4), snapshot(2, 1, 1), snapshot(1, 1, 99)}})
		require.Len(t, r.Newer, 2, "an older version and an older epoch")
		for _, h := range r.Newer {
			require.Equal(t, newest.Stamp(), h.Stamp())
			require.Empty(t, h.Checkpoint)
		}
		got, err := s.Backup(id(1))
		require.NoError(t, err)
		require.Equal(t, newest, got)
		_, err = s.Backup(id(2))
		require.NoError(t, err, "the rest of the batch is written")
		require.Empty(t, write(t, s, Batch{Backups: []*wob.WOB{snapshot(1, 2, 5), snapshot(1, 3, 0)}}).Newer, "the same again, and a recovery")
		got, err = s.Backup(id(1))
		require.NoError(t, err)
		require.Equal(t, uint64(3), got.Epoch)
	})
}

func TestATombstoneRefusesLateSnapshots(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		w := snapshot(1, 2, 5)
		write(t, s, Batch{Backups: []*wob.WOB{w}})
		write(t, s, Batch{DropBackups: []wob.ID{w.ID}, Tombs: []Tomb{{ID: w.ID, Inc: w.Incarnation(), State: wob.Merged}}})
		r := write(t, s, Batch{Backups: []*wob.WOB{snapshot(1, 2, 6)}})
		require.Len(t, r.Newer, 1)
		require.Equal(t, wob.Merged, r.Newer[0].State)
		_, err := s.Backup(w.ID)
		require.ErrorIs(t, err, ErrNotFound)
		require.Empty(t, write(t, s, Batch{Backups: []*wob.WOB{snapshot(1, 3, 0)}}).Newer, "a newer incarnation is another story")
		write(t, s, Batch{DropTombs: []wob.ID{w.ID}})
		_, ok := s.Tomb(w.ID)
		require.False(t, ok)
	})
}

func TestAWOBThatCannotBeEncodedChangesNothing(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		bad := snapshot(2, 1, 1)
		bad.Checkpoint = `{"open":`
		_, err := s.Write(ctx, Batch{Held: []*wob.WOB{snapshot(1, 1, 1), bad}}, true)
		require.ErrorIs(t, err, wob.ErrSyntax)
		_, err = s.kv.Get(ctx, heldPrefix+string(id(1)))
		require.ErrorIs(t, err, ErrNotFound)
		write(t, s, Batch{Held: []*wob.WOB{snapshot(1, 1, 1)}}) // and the store goes on
	})
}

func TestCallbacksComeInOrder(t *testing.T) {
	stores(t, func(t *testing.T, s *Store) {
		const n = 500
		var order []int
		var last sync.WaitGroup
		last.Add(1)
		for i := range n {
			b := Batch{Backups: []*wob.WOB{snapshot(1, 1, uint64(i))}}
			if i%100 == 50 {
				b.Backups[0].Checkpoint = "{" // an error keeps its place, too
			}
			s.WriteAsync(b, i%3 == 0, func(r Result) {
				order = append(order, i) // no lock: one goroutine
				require.Equal(t, i%100 == 50, r.Err != nil)
				if i == n-1 {
					last.Done()
				}
			})
		}
		last.Wait()
		for i := range n {
			require.Equal(t, i, order[i])
		}
		got, err := s.Backup(id(1))
		require.NoError(t, err)
		require.Equal(t, uint64(n-1), got.Version)
	})
}

func TestDamagedRecordIsPutAside(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	write(t, s, Batch{Held: []*wob.WOB{snapshot(1, 1, 1), snapshot(2, 1, 1)}, Backups: []*wob.WOB{snapshot(3, 1, 1)}})
	require.NoError(t, s.kv.Commit(ctx, []Op{Put(heldPrefix+string(id(1)), []byte(`{"id":"x`)), Put(backupPrefix+string(id(3)), []byte(`[]`))}, true))
	require.NoError(t, s.Close())
	for range 2 { // the second start finds them aside and is silent
		s = opened(t, dir)
		held, _ := s.Held()
		require.Len(t, held, 1)
		require.Equal(t, id(2), held[0].ID)
		require.NoError(t, s.Close())
	}
	s = opened(t, dir)
	kept, err := s.kv.Get(ctx, asidePrefix+"held/"+string(id(1)))
	require.NoError(t, err)
	require.Equal(t, `{"id":"x`, string(kept))
	require.NoError(t, s.Close())
}

func TestDamagedRecordIsNamed(t *testing.T) {
	kv := NewMemory()
	require.NoError(t, kv.Commit(ctx, []Op{Put(heldPrefix+string(id(1)), []byte(`{"id":"x`))}, true))
	s, err := load(kv)
	require.NoError(t, err)
	_, damaged := s.Held()
	require.Len(t, damaged, 1)
	require.Equal(t, id(1), damaged[0].ID)
	require.ErrorContains(t, damaged[0], string(id(1)))
	require.ErrorIs(t, damaged[0], wob.ErrSyntax)
	require.NoError(t, s.Close())
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "--data")
	require.NoError(t, s.Close())
	require.NoError(t, opened(t, dir).Close())
}

func TestAFailedFsyncIsFinal(t *testing.T) {
	disk := &failingDisk{Batching: ds.NewMapDatastore()}
	s, err := load(start(&KV{synced: disk, plain: disk, health: new(health), close: func() error { return nil }}))
	require.NoError(t, err)
	write(t, s, Batch{Held: []*wob.WOB{snapshot(1, 1, 1)}})
	disk.fail = errors.New("input/output error")
	_, err = s.Write(ctx, Batch{Held: []*wob.WOB{snapshot(2, 1, 1)}}, true)
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, disk.fail)
	disk.fail = nil // the disk seems well again: nobody knows what it holds
	for _, sync := range []bool{true, false} {
		_, err = s.Write(ctx, Batch{Held: []*wob.WOB{snapshot(3, 1, 1)}}, sync)
		require.ErrorIs(t, err, ErrFailed)
	}
	require.ErrorIs(t, s.Err(), ErrFailed)
	require.Equal(t, 2, disk.commits, "no write was tried again")
	require.NoError(t, s.Close())
	_, err = s.Write(ctx, Batch{}, true)
	require.ErrorIs(t, err, ErrClosed)
}

// failingDisk is a datastore whose commits fail on demand.
type failingDisk struct {
	ds.Batching
	fail    error
	commits int
}

func (d *failingDisk) Batch(ctx context.Context) (ds.Batch, error) {
	return failingBatch{d, ds.NewBasicBatch(d.Batching)}, nil
}

type failingBatch struct {
	disk *failingDisk
	ds.Batch
}

func (b failingBatch) Commit(ctx context.Context) error {
	b.disk.commits++
	if b.disk.fail != nil {
		return b.disk.fail
	}
	return b.Batch.Commit(ctx)
}

func TestBatchesShareFsyncs(t *testing.T) {
	release := make(chan struct{})
	disk := &slowDisk{Batching: ds.NewMapDatastore(), gate: release}
	s, err := load(start(&KV{synced: disk, plain: disk, health: new(health), close: func() error { return nil }}))
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 100 {
		all.Add(1)
		s.WriteAsync(Batch{Held: []*wob.WOB{snapshot(i, 1, 1)}}, true, func(r Result) { all.Done() })
	}
	close(release)
	all.Wait()
	require.LessOrEqual(t, disk.commits, 2, "what arrives during a commit is one batch")
	require.NoError(t, s.Close())
}

// slowDisk holds commits back until its gate opens.
type slowDisk struct {
	ds.Batching
	gate    chan struct{}
	commits int
}

func (d *slowDisk) Batch(ctx context.Context) (ds.Batch, error) {
	return slowBatch{d, ds.NewBasicBatch(d.Batching)}, nil
}

type slowBatch struct {
	disk *slowDisk
	ds.Batch
}

func (b slowBatch) Commit(ctx context.Context) error {
	<-b.disk.gate
	b.disk.commits++
	return b.Batch.Commit(ctx)
}

// filled makes a store with data in every kind of file and returns what is in it.
func filled(t *testing.T, dir string) map[wob.ID]bool {
	s := opened(t, dir)
	ids := map[wob.ID]bool{}
	for i := range 200 {
		w := snapshot(i, 1, 1)
		w.Meta = wob.Raw(`"` + strings.Repeat("x", 2000) + `"`)
		write(t, s, Batch{Held: []*wob.WOB{w}})
		ids[w.ID] = true
	}
	require.NoError(t, s.Close())
	return ids
}

// A damaged file is refused, or does no harm; in no case is a WOB missing in silence.
func TestDamagedFilesAreNoticed(t *testing.T) {
	master := t.TempDir()
	want := filled(t, master)
	files, err := filepath.Glob(filepath.Join(master, "db", "*"))
	require.NoError(t, err)
	refused := 0
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		for _, part := range []int64{4, 2} {
			if info.Size() < 8 {
				continue
			}
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(filepath.Join(dir, "s"), os.DirFS(master)))
			flip(t, filepath.Join(dir, "s", "db", filepath.Base(f)), info.Size()/part)
			s, err := Open(filepath.Join(dir, "s"))
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt, f)
				require.ErrorContains(t, err, dir, "it names the directory")
				require.ErrorContains(t, err, "move that directory away", "and the next step")
				refused++
				continue
			}
			held, damaged := s.Held()
			require.Len(t, held, len(want)-len(damaged), f)
			require.NoError(t, s.Close())
		}
	}
	require.NotZero(t, refused, "data and manifest are among them")
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	b[at] ^= 0x40
	require.NoError(t, os.WriteFile(name, b, 0o600))
}

func TestMissingKeysAreNoticed(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, sealFile), []byte(`{"keys":201,"sum":1}`), 0o600))
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrCorrupt)
	_, again := Open(dir)
	require.ErrorIs(t, again, ErrCorrupt, "a second start does not forget it")
}

// A store with a file missing is refused, or nothing of it was in that file.
func TestMissingFilesAreNoticed(t *testing.T) {
	master := t.TempDir()
	want := filled(t, master)
	files, err := filepath.Glob(filepath.Join(master, "db", "*"))
	require.NoError(t, err)
	refused := 0
	for _, f := range append(files, filepath.Join(master, "db")) {
		dir := filepath.Join(t.TempDir(), "s")
		require.NoError(t, os.CopyFS(dir, os.DirFS(master)))
		rel, err := filepath.Rel(master, f)
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, rel)))
		s, err := Open(dir)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt, f)
			require.ErrorContains(t, err, dir)
			refused++
			continue
		}
		held, _ := s.Held()
		require.Len(t, held, len(want), f)
		require.NoError(t, s.Close())
	}
	require.GreaterOrEqual(t, refused, 3, "data, manifest and the whole")
}
