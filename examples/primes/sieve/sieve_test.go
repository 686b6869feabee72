package sieve

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newSieve(t require.TestingT, segment int) *Sieve {
	s, err := New(segment)
	require.NoError(t, err)
	return s
}

// Known values of the prime counting function.
func TestKnownCounts(t *testing.T) {
	s := newSieve(t, 0)
	for _, c := range []struct{ limit, want int64 }{
		{0, 0}, {2, 0}, {3, 1}, {4, 2}, {10, 4}, {100, 25}, {1000, 168}, {1e4, 1229}, {1e5, 9592}, {1e6, 78498},
		{1e7, 664579}, {1e8, 5761455},
	} {
		require.Equal(t, c.want, s.Count(0, c.limit), "limit %d", c.limit)
	}
	// Far out, from a table of pi(x): pi(1e12+1e7)-pi(1e12).
	require.Equal(t, int64(361726), s.Count(1e12, 1e12+1e7))
}

// Any cut of a range gives the same sum, and agrees with trial division.
func TestAnyPartsAgree(t *testing.T) {
	const limit = 400_000
	isPrime := make([]int64, limit+1) // isPrime[n]: primes below n
	for n := 0; n < limit; n++ {
		isPrime[n+1] = isPrime[n]
		prime := n >= 2
		for d := 2; d*d <= n; d++ {
			if n%d == 0 {
				prime = false
				break
			}
		}
		if prime {
			isPrime[n+1]++
		}
	}
	s := newSieve(t, MinSegment)
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Int64Range(0, limit).Draw(t, "lo")
		hi := rapid.Int64Range(lo, limit).Draw(t, "hi")
		require.Equal(t, isPrime[hi]-isPrime[lo], s.Count(lo, hi))
	})
}

func TestRandomPartsFarOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole, parts := newSieve(t, 0), newSieve(t, MinSegment)
	for range 5 {
		lo := 1e10 + rng.Int64N(1e11)
		hi := lo + 3e7
		want := whole.Count(lo, hi)
		var got int64
		for at := lo; at < hi; {
			next := min(hi, at+1+rng.Int64N(5e6))
			got += parts.Count(at, next)
			at = next
		}
		require.Equal(t, want, got, "from %d", lo)
	}
}

func BenchmarkCount(b *testing.B) {
	s := newSieve(b, 0)
	span := s.Span() * 4
	at := int64(5e9) / span * span
	for b.Loop() {
		s.Count(at, at+span)
		at += span
	}
	b.ReportMetric(float64(span)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gnumbers/s")
}
