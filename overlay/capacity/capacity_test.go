package capacity

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestThePapersOptimum(t *testing.T) {
	supervisors, members := Optimum(100, 10)
	require.Equal(t, 45, supervisors)
	require.Equal(t, 2070, members)
	require.Equal(t, 46, Members(100, 45, 10))
	require.Equal(t, 2070, 45*Members(100, 45, 10))
}

func TestReserveIsHalfOpenToJoins(t *testing.T) {
	require.Equal(t, 88, Members(100, 3, 10))
	require.Equal(t, 93, Joinable(100, 3, 10))
	require.Equal(t, 98, Attachable(100, 3))
	require.Zero(t, Members(2, 9, 0))
	require.Zero(t, Joinable(2, 9, 50))
	require.Zero(t, Attachable(2, 9))
}

// Electing while Worth holds must end at the best size that any number of equal
// supervisors reaches, counted in nodes.
func TestWorthStopsAtTheLargestCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := 10 * rapid.IntRange(1, 60).Draw(t, "capacity")
		r := 10 * rapid.IntRange(0, 5).Draw(t, "reserve")
		nodes := func(k int) int { return k + k*Members(c, k, r) }
		k := 1
		for Worth(c, k+1, r) {
			k++
		}
		best := 0
		for n := 1; n <= c; n++ {
			best = max(best, nodes(n))
		}
		require.Equal(t, best, nodes(k), "k=%d", k)
		at, members := Optimum(c, r)
		require.InDelta(t, members, at*Members(c, at, r), 1)
	})
}

func TestASmallNodeIsNotWorthElecting(t *testing.T) {
	require.True(t, Worth(100, 46, 10))
	require.False(t, Worth(100, 47, 10))
	require.False(t, Worth(10, 10, 10), "it would take more from the nine others than it brings")
	require.Less(t, Total([]int{100, 100, 10}, 10), Total([]int{100, 100, 100}, 10))
}
