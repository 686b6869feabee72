// Package sieve counts primes: a segmented sieve of Eratosthenes, and the application of
// WOBCompute made of it. It is an example of sdk.Range: all that is special to the job is Count.
//
// A byte stands for 30 numbers, a bit for each of the eight residues that are not divisible by
// 2, 3 or 5. A segment fits the second-level cache; small primes are crossed out block by block
// in the first-level cache. Multiples of primes up to 37 are removed by copying patterns.
package sieve

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Sizes in bytes; a byte is 30 numbers.
const (
	blockBytes     = 32 << 10 // fits the first-level cache
	DefaultSegment = 12 * blockBytes
	MinSegment     = blockBytes
	MaxSegment     = 1024 * blockBytes
)

// MaxLimit is the greatest upper end: the primes up to its root take some 10 MB.
const MaxLimit = 10_000_000_000_000

// residues are the numbers below 30 not divisible by 2, 3 or 5: bit i of a byte stands for residues[i].
var residues = [8]uint64{1, 7, 11, 13, 17, 19, 23, 29}

// bitOf is the inverse of residues.
var bitOf = func() (b [30]uint8) {
	for i, r := range residues {
		b[r] = uint8(i)
	}
	return b
}()

// crosser crosses out the multiples of one prime. Those with one residue are p bytes apart, so
// there are eight sequences of them; off holds where each goes on, relative to where the sieve
// stands, ordered by the bit they clear. It is always below p.
type crosser struct {
	p   uint32
	off [8]uint32
}

// Sieve counts primes. It remembers where it stands, so counting adjoining ranges that begin and
// end at multiples of Span is faster than others. Not safe for concurrent use.
type Sieve struct {
	size   int    // bytes in a segment
	buf    []byte // a segment and room behind it, where crossers may overshoot
	primes []uint32
	root   uint64 // primes holds all from 41 up to here
	next   uint64 // the byte at which active goes on
	active []crosser
}

// New returns a sieve with segments of about the given number of bytes; 0: DefaultSegment.
func New(segment int) (*Sieve, error) {
	if segment == 0 {
		segment = DefaultSegment
	}
	if segment < MinSegment || segment > MaxSegment {
		return nil, fmt.Errorf("segment of %d bytes: it is at least %d and at most %d", segment, MinSegment, MaxSegment)
	}
	size := segment / blockBytes * blockBytes
	return &Sieve{size: size, buf: make([]byte, 2*size)}, nil
}

// Span is how many numbers a segment holds.
func (s *Sieve) Span() int64 { return int64(s.size) * 30 }

// Count returns how many primes are in [lo, hi). Numbers below 2 are none; hi is at most MaxLimit.
func (s *Sieve) Count(lo, hi int64) int64 {
	var n int64
	for _, p := range []int64{2, 3, 5} {
		if lo <= p && p < hi {
			n++
		}
	}
	lo = max(lo, 7)
	if hi <= lo {
		return n
	}
	return n + s.count(uint64(lo), uint64(hi))
}

// count counts in [lo, hi), 7 <= lo < hi.
func (s *Sieve) count(lo, hi uint64) int64 {
	s.extend(isqrt(hi))
	first, last := lo/30, (hi-1)/30 // bytes
	if first != s.next {
		s.next, s.active = first, s.active[:0]
	}
	var n int64
	for at := first; at <= last; at = s.next {
		bytes := min(uint64(s.size), last+1-at)
		s.segment(bytes)
		seg := s.buf[:bytes]
		if at == first {
			seg[0] &= from(lo % 30)
		}
		if at+bytes == last+1 {
			seg[bytes-1] &^= from((hi-1)%30 + 1)
		}
		n += ones(seg)
	}
	return n
}

// from returns the bits of the residues not below r, for r up to 30.
func from(r uint64) byte {
	for i, x := range residues {
		if x >= r {
			return 0xff << i
		}
	}
	return 0
}

// segment sieves the next n bytes into buf and moves on by them.
func (s *Sieve) segment(n uint64) {
	s.activate(n)
	presieve(s.buf[:roundUp(n, 8)], s.next)
	small := 0
	for small < len(s.active) && s.active[small].p < blockBytes/2 {
		small++
	}
	for at := uint64(0); at < n; at += blockBytes {
		cross(s.buf[at:], uint32(min(blockBytes, n-at)), s.active[:small])
	}
	cross(s.buf, uint32(n), s.active[small:])
	s.restore(n)
	s.next += n
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// activate adds the primes whose square lies before the end of the next n bytes. Composites with
// smaller factors have smaller prime factors too.
func (s *Sieve) activate(n uint64) {
	end := (s.next + n) * 30
	for len(s.active) < len(s.primes) {
		p := uint64(s.primes[len(s.active)])
		if p*p >= end {
			return
		}
		c := crosser{p: uint32(p)}
		for _, r := range residues {
			// The multiples p·(30k+r) lie in the bytes k·p + p·r/30.
			at := p * r / 30
			if at < s.next {
				at += (s.next - at + p - 1) / p * p
			}
			c.off[bitOf[p*r%30]] = uint32(at - s.next)
		}
		s.active = append(s.active, c)
	}
}

// restore sets the bits of the crossing primes themselves, which were crossed out with their
// multiples: it is simpler to begin every sequence at p than at its square.
func (s *Sieve) restore(n uint64) {
	for _, c := range s.active {
		at := uint64(c.p) / 30
		if at >= s.next+n {
			return
		}
		if at >= s.next {
			s.buf[at-s.next] |= 1 << bitOf[c.p%30]
		}
	}
}

// cross clears the multiples in buf[:n] of all primes given and moves their offsets on by n. It
// may clear multiples beyond n as well, which does no harm.
func cross(buf []byte, n uint32, cs []crosser) {
	for i := range cs {
		c := &cs[i]
		p := uint(c.p)
		if c.p > n {
			crossRare(buf, n, c)
			continue
		}
		a, b, d, e := uint(c.off[0]), uint(c.off[1]), uint(c.off[2]), uint(c.off[3])
		f, g, h, j := uint(c.off[4]), uint(c.off[5]), uint(c.off[6]), uint(c.off[7])
		// All offsets are below p, so each sequence has n/p members before n or one more: the
		// loop is the same for all eight, and what may be one more is cleared anyway.
		for range n/c.p + 1 {
			buf[a] &^= 1 << 0
			buf[b] &^= 1 << 1
			buf[d] &^= 1 << 2
			buf[e] &^= 1 << 3
			buf[f] &^= 1 << 4
			buf[g] &^= 1 << 5
			buf[h] &^= 1 << 6
			buf[j] &^= 1 << 7
			a, b, d, e, f, g, h, j = a+p, b+p, d+p, e+p, f+p, g+p, h+p, j+p
		}
		// Now each is in [n, n+2p): p too far where one more was not before n.
		for k, o := range [8]uint{a, b, d, e, f, g, h, j} {
			o -= uint(n)
			if o >= p {
				o -= p
			}
			c.off[k] = uint32(o)
		}
	}
}

// crossRare is cross for a prime with at most one multiple of each residue in buf[:n].
func crossRare(buf []byte, n uint32, c *crosser) {
	for k, o := range c.off {
		if o < n {
			buf[o] &^= 1 << k
			o += c.p
		}
		c.off[k] = o - n
	}
}

// ones counts the bits set.
func ones(b []byte) int64 {
	var n int
	for len(b) >= 32 {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b)) + bits.OnesCount64(binary.LittleEndian.Uint64(b[8:])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(b[16:])) + bits.OnesCount64(binary.LittleEndian.Uint64(b[24:]))
		b = b[32:]
	}
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return int64(n)
}

// isqrt returns the greatest r with r*r <= n, for n up to MaxLimit.
func isqrt(n uint64) uint64 {
	r := uint64(math.Sqrt(float64(n)))
	for r*r > n {
		r--
	}
	for (r+1)*(r+1) <= n {
		r++
	}
	return r
}

// extend finds the primes up to root, by the plain sieve.
func (s *Sieve) extend(root uint64) {
	if root <= s.root {
		return
	}
	s.root, s.primes, s.active = root, nil, s.active[:0]
	composite := make([]bool, root+1)
	for p := uint64(2); p <= root; p++ {
		if composite[p] {
			continue
		}
		if p > presieved {
			s.primes = append(s.primes, uint32(p))
		}
		for q := p * p; q <= root; q += p {
			composite[q] = true
		}
	}
}
