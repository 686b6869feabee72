package wob

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOrder(t *testing.T) {
	ascending := []Stamp{
		{Incarnation{0, 0, "b"}, 9},
		{Incarnation{0, 1, "a"}, 0},
		{Incarnation{0, 1, "b"}, 0},
		{Incarnation{0, 1, "b"}, 1},
		{Incarnation{1, 0, "a"}, 0}, // only a recovery raises the epoch: it beats any version
	}
	for i, a := range ascending {
		for j, b := range ascending {
			require.Equal(t, i < j, a.Less(b))
			require.Equal(t, i == j, a.Compare(b) == 0)
		}
	}
	require.True(t, ascending[0].Incarnation.Less(ascending[1].Incarnation))
	require.Equal(t, Stamp{Incarnation{3, 2, "12D3KooWnode"}, 17}, full().Stamp())
}

// Replicas that take the newest of what they hear, in any order and any number of
// times, agree.
func TestNewestWinsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint64Max(2)
		stamps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Stamp {
			holder := rapid.SampledFrom([]NodeID{"a", "b", "c"}).Draw(t, "holder")
			return Stamp{Incarnation{small.Draw(t, "epoch"), small.Draw(t, "moves"), holder}, small.Draw(t, "version")}
		}), 1, 8).Draw(t, "stamps")
		newest := func(ss []Stamp) (n Stamp) {
			for _, s := range ss {
				if n.Less(s) {
					n = s
				}
			}
			return n
		}
		want := slices.MaxFunc(stamps, Stamp.Compare)
		require.Equal(t, want, newest(rapid.Permutation(append(stamps, stamps[0])).Draw(t, "heard")))
	})
}

func TestLifeCycle(t *testing.T) {
	all := []State{Created, Running, Suspended, Waiting, Finished, Merged, Lost, Failed, Cancelled}
	require.Len(t, moves, len(all))
	for _, from := range all {
		require.True(t, from.Valid())
		require.Equal(t, Terminal(from), len(moves[from]) == 0, "%s: terminal means no way out", from)
		for _, to := range all {
			w := &WOB{ID: idA, State: from}
			err := w.MoveTo(to)
			if from == to || CanMove(from, to) {
				require.NoError(t, err)
				require.Equal(t, to, w.State)
				continue
			}
			require.ErrorIs(t, err, ErrTransition)
			require.Equal(t, from, w.State)
		}
	}
	require.False(t, CanMove(Finished, Running), "a result is final")
	require.True(t, CanMove(Waiting, Running), "a child's part came back")
	require.True(t, CanMove(Lost, Running))
	require.False(t, CanMove("", Running) || CanMove(Running, "") || State("").Valid())
}

func TestAddFailureIsBounded(t *testing.T) {
	w := full()
	w.Failures = nil
	for i := range 3 * MaxFailures {
		w.AddFailure(Failure{Node: NodeID(strings.Repeat("é", MaxName)), Error: strings.Repeat("e", i) + "\xff", Log: "old" + strings.Repeat("é", MaxLog) + "end"})
	}
	require.Len(t, w.Failures, MaxFailures)
	last := w.Failures[MaxFailures-1]
	require.Len(t, last.Error, 3*MaxFailures, "the newest")
	require.True(t, strings.HasSuffix(last.Log, "éend"), "the end of the log")
	require.NoError(t, w.Validate())
}

func TestStatsStopAtTheLimit(t *testing.T) {
	s := Stats{WOBs: MaxCount - 1, Moves: 3}
	s.Add(Stats{WOBs: 1 << 63, Moves: 4, Splits: 1})
	require.Equal(t, Stats{WOBs: MaxCount, Moves: 7, Splits: 1}, s)
}

func TestID(t *testing.T) {
	require.True(t, idA.Valid())
	for _, bad := range []ID{"", idA[:35], idA + "0", "0190a8c0-0000-4000-8000_00000000000a", "0190A8c0-0000-4000-8000-00000000000a",
		"0190a8c0000004000800000000000000000a", "{190a8c0-0000-4000-8000-00000000000}", "0190a8c0-0000-4000-8000-0000000000é"} {
		require.False(t, bad.Valid(), bad)
	}
}

func TestEffortDone(t *testing.T) {
	require.InDelta(t, 3, Effort{10, 7}.Done(), 0)
	require.Zero(t, Effort{1, 2}.Done())
}
