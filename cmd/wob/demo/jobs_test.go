package demo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// byTrial counts the primes below n in the most obvious way.
func byTrial(n int64) int64 {
	count := int64(0)
	for v := int64(2); v < n; v++ {
		prime := true
		for d := int64(2); d*d <= v && prime; d++ {
			prime = v%d != 0
		}
		if prime {
			count++
		}
	}
	return count
}

func TestPrimesBelow(t *testing.T) {
	for n := int64(1); n < 2000; n++ {
		require.Equal(t, byTrial(n), *primesBelow(n), "below %d", n)
	}
	for n, want := range map[int64]int64{
		1_000_000:     78_498,
		10_000_000:    664_579,
		100_000_000:   5_761_455,
		1_000_000_000: 50_847_534,
	} {
		require.Equal(t, want, *primesBelow(n), "below %d", n)
	}
	require.Nil(t, primesBelow(countable+1), "what is not known is not claimed")
}

// The table and the recurrence were made from each other by nobody.
func TestPrimesTable(t *testing.T) {
	for n, want := range primesTable {
		if n <= countable {
			require.Equal(t, want, countPrimes(n-1), "below %d", n)
		}
	}
}

func TestQueens(t *testing.T) {
	var place func(n, row int, cols, left, right uint) int64
	place = func(n, row int, cols, left, right uint) (count int64) {
		if row == n {
			return 1
		}
		for c := range n {
			if q := uint(1) << c; (cols|left|right)&q == 0 {
				count += place(n, row+1, cols|q, (left|q)<<1, (right|q)>>1)
			}
		}
		return count
	}
	for n := 1; n <= 10; n++ {
		require.Equal(t, place(n, 0, 0, 0, 0), *queens(int64(n)), "%d queens", n)
	}
	require.Equal(t, int64(2279184), *queens(15))
	require.Nil(t, queens(19))
}
