package index

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

func entry(id wob.ID, epoch, moves uint64, holder wob.NodeID, version, seq uint64) protocols.Entry {
	return protocols.Entry{ID: id, Inc: wob.Incarnation{Epoch: epoch, Moves: moves, Holder: holder},
		Version: version, Seq: seq, State: wob.Running, Remaining: 1}
}

func anyEntry(t *rapid.T) protocols.Entry {
	n := func(label string, hi int) uint64 { return uint64(rapid.IntRange(0, hi).Draw(t, label)) }
	e := entry(wob.ID(fmt.Sprintf("w%d", n("id", 3))), n("epoch", 1), n("moves", 1),
		wob.NodeID(fmt.Sprintf("n%d", n("holder", 2))), n("version", 1), n("seq", 2))
	e.Stale, e.Gone = n("stale", 3) == 0, n("gone", 5) == 0
	if n("state", 1) == 0 {
		e.State = wob.Waiting
	}
	// The content is a function of what orders an entry, as a correct holder makes it.
	e.Remaining = float64(e.Version + e.Seq)
	return e
}

func TestReplicasConvergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(anyEntry), 0, 40).Draw(t, "entries")
		for i := range entries {
			entries[i].State = wob.Running
		}
		a, b := New(100), New(100)
		for _, e := range entries {
			a.Apply(e, 1)
		}
		for _, e := range rapid.Permutation(append(entries, entries...)).Draw(t, "order") {
			b.Apply(e, 2)
		}
		require.Equal(t, a.All(), b.All())
		require.Equal(t, a.Digest(), b.Digest())
		require.NoError(t, a.Check())
	})
}

func TestAnEntryNeverFalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := New(100)
		for i := range rapid.IntRange(1, 50).Draw(t, "steps") {
			e := anyEntry(t)
			was, known := x.Get(e.ID)
			outcome := x.Apply(e, core.Time(i))
			is, _ := x.Get(e.ID)
			if known {
				require.GreaterOrEqual(t, Compare(&is, &was), 0)
			}
			require.GreaterOrEqual(t, Compare(&is, &e), 0)
			require.Equal(t, outcome == Changed, !known || Compare(&e, &was) > 0)
			require.NoError(t, x.Check())
		}
	})
}

func TestATombstoneEndsItsIncarnationOnly(t *testing.T) {
	x := New(10)
	gone := entry("w", 1, 0, "a", 0, 0)
	gone.Gone = true
	require.Equal(t, Changed, x.Apply(gone, 0))
	require.Equal(t, Older, x.Apply(entry("w", 1, 0, "a", 9, 9), 0), "a late update")
	require.Equal(t, Changed, x.Apply(entry("w", 2, 0, "b", 0, 1), 0), "a recovery")
}

func TestOutdatedIsAHintThatTheHolderOverrules(t *testing.T) {
	x := New(10)
	x.Apply(entry("w", 1, 0, "a", 3, 1), 0)
	x.SetVia("a", "s1")
	require.Equal(t, []wob.NodeID{"a"}, x.HoldersVia("s1"))
	marked := x.MarkStale("a", 5)
	require.Len(t, marked, 1)
	require.True(t, marked[0].Stale)
	require.Empty(t, x.Held("a"))
	require.Zero(t, x.Digest())
	require.Equal(t, Older, x.Apply(entry("w", 1, 0, "a", 3, 1), 6), "what was known before")
	require.Equal(t, Changed, x.Apply(entry("w", 1, 0, "a", 3, 2), 7), "the holder is back")
	require.Equal(t, 1, x.Work())
}

func TestExpiryKeepsWhatCameBack(t *testing.T) {
	x := New(10)
	for _, id := range []wob.ID{"w1", "w2", "w3"} {
		x.Apply(entry(id, 1, 0, "a", 0, 1), 0)
	}
	x.MarkStale("a", core.Time(time.Second))
	x.Apply(entry("w2", 1, 0, "a", 0, 2), core.Time(2*time.Second))
	gone := entry("w3", 1, 0, "a", 0, 3)
	gone.Gone = true
	x.Apply(gone, core.Time(3*time.Second))

	next := x.Expire(core.Time(4*time.Second), 10*time.Second, 20*time.Second)
	require.Equal(t, core.Time(11*time.Second), next)
	require.Equal(t, 3, x.Len())
	next = x.Expire(core.Time(11*time.Second), 10*time.Second, 20*time.Second)
	require.Equal(t, core.Time(23*time.Second), next)
	require.Equal(t, []wob.ID{"w2", "w3"}, x.IDs())
	require.Equal(t, core.Never, x.Expire(core.Time(time.Minute), 10*time.Second, 20*time.Second))
	require.Equal(t, []wob.ID{"w2"}, x.IDs())
	require.NoError(t, x.Check())
}

func TestTheIndexIsBounded(t *testing.T) {
	x := New(1)
	require.Equal(t, Changed, x.Apply(entry("w1", 1, 0, "a", 0, 1), 0))
	require.Equal(t, Full, x.Apply(entry("w2", 1, 0, "a", 0, 1), 0))
	require.Equal(t, Changed, x.Apply(entry("w1", 1, 0, "a", 0, 2), 0))
}
