// Package queens counts the ways to put n queens on a board of n by n squares so that none
// attacks another, and makes the application of WOBCompute of it. It is an example of sdk.Tree:
// the search tree is uneven, and no one says where to cut it.
package queens

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"

	"github.com/wobcompute/wobcompute/sdk"
)

// MaxN is the largest board: the count for 27 is the largest known and fits in 58 bits.
const MaxN = 27

// Board is a node of the search: the first rows are occupied. Bit i of a mask is column i.
type Board struct {
	N     int    `json:"n"`
	Row   int    `json:"r"` // rows occupied
	Cols  uint32 `json:"c"` // columns occupied
	Left  uint32 `json:"l"` // attacked in the next row along diagonals to the left
	Right uint32 `json:"d"` // and to the right
	Times int64  `json:"t"` // 2 where the mirror image counts as well
}

// Empty returns the board without queens.
func Empty(n int) (Board, error) {
	if n < 1 || n > MaxN {
		return Board{}, fmt.Errorf("a board of %d by %d squares: 1 to %d are possible", n, n, MaxN)
	}
	return Board{N: n, Times: 1}, nil
}

// check refuses what no sequence of Expand leads to.
func (b Board) check() error {
	if _, err := Empty(b.N); err != nil {
		return err
	}
	if b.Row != bits.OnesCount32(b.Cols) || (b.Cols|b.Left|b.Right)&^b.all() != 0 || b.Times < 1 || b.Times > 2 {
		return fmt.Errorf("impossible board %+v", b)
	}
	return nil
}

// all has a bit for every column.
func (b Board) all() uint32 { return 1<<b.N - 1 }

// put returns the board with one more queen, in the column of bit q.
func (b Board) put(q uint32) Board {
	b.Row++
	b.Cols |= q
	b.Left = (b.Left | q) << 1 & b.all()
	b.Right = (b.Right | q) >> 1
	return b
}

// symmetric reports whether the board is its own mirror image: empty, or with one queen in the
// middle of the first row. Then the left half of the next row stands for both halves.
func (b Board) symmetric() bool {
	return b.Row == 0 || b.Row == 1 && b.N%2 == 1 && b.Cols == 1<<(b.N/2)
}

// Expand returns the boards with one more queen.
func Expand(b Board) []Board {
	if b.Row == b.N {
		return nil
	}
	var out []Board
	for free := b.all() &^ (b.Cols | b.Left | b.Right); free != 0; free &= free - 1 {
		q := free & -free
		next := b.put(q)
		middle := uint32(1) << (b.N / 2)
		switch {
		case !b.symmetric():
		case b.N%2 == 1 && q == middle:
		case q < middle:
			next.Times *= 2
		default:
			continue
		}
		out = append(out, next)
	}
	return out
}

// Solve counts the solutions below a board.
func Solve(b Board) int64 {
	if b.Row == b.N {
		return b.Times
	}
	if b.symmetric() {
		var n int64
		for _, next := range Expand(b) {
			n += Solve(next)
		}
		return n
	}
	return b.Times * count(b.all(), b.Cols, b.Left, b.Right)
}

// count is the search proper: cols has at least one column free.
func count(all, cols, left, right uint32) int64 {
	var n int64
	for free := all &^ (cols | left | right); free != 0; free &= free - 1 {
		q := free & -free
		if cols|q == all {
			return n + 1 // the last column: no other is free
		}
		n += count(all, cols|q, (left|q)<<1, (right|q)>>1)
	}
	return n
}

// Size estimates a board's work by the number of solutions, about (0.143 n)^n.
func Size(b Board) float64 { return math.Max(1, math.Pow(0.143*float64(b.N), float64(b.N))) }

// Main is the application "nqueens". Its boundary is {"n":15}, its result the number of solutions.
func Main() int {
	return sdk.Tree[Board, int64]{
		Name: "nqueens", Version: "1.0.0",
		Root: root, Expand: Expand, Solve: Solve, Size: Size, Check: Board.check,
		Merge: func(a, b int64) int64 { return a + b },
	}.Main()
}

// root reads a boundary.
func root(boundary json.RawMessage) (Board, error) {
	var p struct {
		N int `json:"n"`
	}
	if err := json.Unmarshal(boundary, &p); err != nil {
		return Board{}, err
	}
	return Empty(p.N)
}
