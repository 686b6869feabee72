package queens

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The sequence A000170 of the On-Line Encyclopedia of Integer Sequences.
var known = []int64{1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712}

func TestKnownCounts(t *testing.T) {
	for i, want := range known {
		b, err := Empty(i + 1)
		require.NoError(t, err)
		require.Equal(t, want, Solve(b), "n=%d", i+1)
	}
	for _, n := range []int{-1, 0, MaxN + 1} {
		_, err := Empty(n)
		require.Error(t, err)
	}
}

// Wherever the tree is cut, the parts add up to the whole.
func TestAnyFrontierAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "n")
		b, err := Empty(n)
		require.NoError(t, err)
		var sum int64
		for stack := []Board{b}; len(stack) > 0; {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			require.NoError(t, top.check())
			below := Expand(top)
			if len(below) == 0 || rapid.Bool().Draw(t, "solve") {
				sum += Solve(top)
				continue
			}
			stack = append(stack, below...)
		}
		require.Equal(t, known[n-1], sum)
	})
}

func TestImpossibleBoardsAreRefused(t *testing.T) {
	for _, b := range []Board{{}, {N: -5}, {N: 200, Times: 1}, {N: 4, Row: 1, Times: 1}, {N: 4, Row: 1, Cols: 32, Times: 1}, {N: 4, Left: 16, Times: 1}, {N: 4, Times: 3}} {
		require.Error(t, b.check(), "%+v", b)
	}
}

func BenchmarkSolve(b *testing.B) {
	board, err := Empty(13)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Solve(board)
	}
}
