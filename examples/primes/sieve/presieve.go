package sieve

import "encoding/binary"

// presieved is the greatest prime whose multiples the patterns remove.
const presieved = 37

// patterns repeat after as many bytes as the product of their primes; each is long enough that a
// block can be taken from any phase without a break.
var patterns = [3]pattern{newPattern(7, 11, 13, 17), newPattern(19, 23, 29), newPattern(31, presieved)}

// pattern is what is left of a run of bytes without the multiples of some primes.
type pattern struct {
	period uint64
	bytes  []byte
}

func newPattern(primes ...uint64) pattern {
	p := pattern{period: 1}
	for _, q := range primes {
		p.period *= q
	}
	p.bytes = make([]byte, p.period+blockBytes)
	for i := range p.bytes {
		for b, r := range residues {
			keep := true
			for _, q := range primes {
				keep = keep && (uint64(i)*30+r)%q != 0
			}
			if keep {
				p.bytes[i] |= 1 << b
			}
		}
	}
	return p
}

// presieve fills buf, whose length is a multiple of 8 and which begins at byte number at.
func presieve(buf []byte, at uint64) {
	begin := at
	for rest := buf; len(rest) > 0; {
		n := min(blockBytes, len(rest))
		x := patterns[0].bytes[at%patterns[0].period:][:n]
		y := patterns[1].bytes[at%patterns[1].period:][:n]
		z := patterns[2].bytes[at%patterns[2].period:][:n]
		out := rest[:n]
		for len(out) >= 8 && len(x) >= 8 && len(y) >= 8 && len(z) >= 8 {
			binary.LittleEndian.PutUint64(out, binary.LittleEndian.Uint64(x)&binary.LittleEndian.Uint64(y)&binary.LittleEndian.Uint64(z))
			out, x, y, z = out[8:], x[8:], y[8:], z[8:]
		}
		rest, at = rest[n:], at+uint64(n)
	}
	// The primes themselves, and 1, which is none.
	for _, p := range []uint64{7, 11, 13, 17, 19, 23, 29, 31, 37} {
		if b := p / 30; b >= begin && b-begin < uint64(len(buf)) {
			buf[b-begin] |= 1 << bitOf[p%30]
		}
	}
	if begin == 0 && len(buf) > 0 {
		buf[0] &^= 1
	}
}
