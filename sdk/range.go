package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Range is an application whose job is a range of integers [lo, hi), any part of which can be
// computed alone:
//
//	func main() {
//		r := sdk.Range[int]{Name: "odd", Version: "1.0.0",
//			Unit:  func(lo, hi int64) int { return countOdd(lo, hi) },
//			Merge: func(a, b int) int { return a + b },
//		}
//		os.Exit(r.Main())
//	}
//
// The boundary is {"lo":0,"hi":1000}; R is anything encoding/json can write and read back.
type Range[R any] struct {
	Name, Version string // as in app.json
	Threads       int    // parts computed at once, as in app.json; default 1

	// Unit computes the part [lo, hi), hi > lo: the same result wherever and whenever, and
	// Merge of the results of two parts is that of the parts together. It is given parts that
	// take about 12 ms, so work that every call repeats should take far less.
	Unit func(lo, hi int64) R
	// Merge joins two results in any order: it is associative and commutative.
	Merge func(a, b R) R
	// Cost says what [lo, hi) costs, if its length does not: additive over adjoining parts
	// and growing with hi. Parts are shared out by it.
	Cost func(lo, hi int64) float64
	// Align, if not 0, is the number of which parts should begin at multiples, for a Unit that is
	// faster then. The ends of the whole range and of parts given away need not be.
	Align int64
	// Parse reads boundaries of another form than {"lo","hi"}.
	Parse func(boundary json.RawMessage) (lo, hi int64, err error)
	// Check refuses a boundary, in words for the owner of the job.
	Check func(lo, hi int64) error
	// Setup is given the parameters of the package's app.json before anything is computed.
	Setup func(params json.RawMessage) error
	// Empty is the result of a range without numbers.
	Empty R
}

// Main runs the application and returns the exit status of the program.
func (r Range[R]) Main(opts ...Option) int { return Main(r.App(), r.options(opts)...) }

// Run is Main for those who handle the error themselves.
func (r Range[R]) Run(opts ...Option) error { return Run(r.App(), r.options(opts)...) }

// App returns the application, to be run with the option Concurrent.
func (r Range[R]) App() App {
	return &engine[interval, R]{
		kind: rangeKind[R]{unit: r.Unit, costOf: r.Cost, align: r.Align, other: r.Parse, check: r.Check}, merge: r.Merge,
		empty: func() R { return r.Empty }, threads: r.Threads, setup: r.Setup, patience: firstPiece,
	}
}

func (r Range[R]) options(more []Option) []Option {
	return append([]Option{Name(r.Name, r.Version), Threads(max(1, r.Threads)), Concurrent()}, more...)
}

// interval is the numbers lo, lo+1, … hi-1.
type interval struct{ lo, hi int64 }

// rangeKind keeps open work as sorted, disjoint intervals that do not touch. The first are
// computed first, the last are given away.
type rangeKind[R any] struct {
	unit   func(lo, hi int64) R
	costOf func(lo, hi int64) float64
	align  int64
	other  func(json.RawMessage) (int64, int64, error)
	check  func(lo, hi int64) error
}

// rangeBoundary is a boundary as this package writes it: lo and hi for one interval, parts for
// any other number of them.
type rangeBoundary struct {
	Lo    *int64      `json:"lo,omitempty"`
	Hi    *int64      `json:"hi,omitempty"`
	Parts *[][2]int64 `json:"parts,omitempty"`
}

func (k rangeKind[R]) parse(b json.RawMessage) ([]interval, error) {
	parts, err := k.read(b)
	if err == nil {
		parts, err = k.join(nil, parts)
	}
	if err == nil && k.check != nil && len(parts) > 0 {
		err = k.check(parts[0].lo, parts[len(parts)-1].hi)
	}
	return parts, err
}

// read reads the three forms of a boundary.
func (k rangeKind[R]) read(b json.RawMessage) ([]interval, error) {
	var rb rangeBoundary
	err := json.Unmarshal(b, &rb)
	switch {
	case err == nil && rb.Parts != nil:
		var parts []interval
		for _, p := range *rb.Parts {
			parts = append(parts, interval{p[0], p[1]})
		}
		return parts, nil
	case err == nil && rb.Lo != nil && rb.Hi != nil:
		return []interval{{*rb.Lo, *rb.Hi}}, nil
	case k.other != nil:
		lo, hi, err := k.other(b)
		return []interval{{lo, hi}}, err
	}
	return nil, fmt.Errorf("%.100s is not of the form {\"lo\":0,\"hi\":1000}", b)
}

func (k rangeKind[R]) boundary(parts []interval) any {
	if len(parts) == 1 {
		return rangeBoundary{Lo: &parts[0].lo, Hi: &parts[0].hi}
	}
	pairs := make([][2]int64, len(parts))
	for i, p := range parts {
		pairs[i] = [2]int64{p.lo, p.hi}
	}
	return rangeBoundary{Parts: &pairs}
}

func (k rangeKind[R]) cost(t interval) float64 {
	if k.costOf == nil {
		return float64(t.hi - t.lo)
	}
	return k.costOf(t.lo, t.hi)
}

func (k rangeKind[R]) run(t interval) R { return k.unit(t.lo, t.hi) }

func (k rangeKind[R]) take(open []interval, want float64) (interval, []interval) {
	t := open[0]
	at := k.aligned(max(t.lo+1, k.prefix(t, want)))
	if at >= t.hi {
		return t, open[1:]
	}
	open[0].lo = at
	return interval{t.lo, at}, open
}

// aligned rounds a point up to a multiple of align.
func (k rangeKind[R]) aligned(at int64) int64 {
	if k.align <= 1 {
		return at
	}
	over := at % k.align
	if over < 0 {
		over += k.align
	}
	if over == 0 || at > math.MaxInt64-k.align {
		return at
	}
	return at - over + k.align
}

// prefix returns the greatest at in [lo, hi] such that [lo, at) costs no more than want.
func (k rangeKind[R]) prefix(t interval, want float64) int64 {
	lo, hi := t.lo, t.hi
	for lo < hi {
		mid := lo + (hi-lo+1)/2
		if k.cost(interval{t.lo, mid}) <= want {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

func (k rangeKind[R]) cut(open []interval, amount float64) (keep, give []interval) {
	keep = slices.Clone(open)
	for len(keep) > 0 && amount > 0 {
		last := keep[len(keep)-1]
		cost := k.cost(last)
		if cost <= amount {
			give, keep, amount = append(give, last), keep[:len(keep)-1], amount-cost
			continue
		}
		at := k.aligned(k.prefix(last, cost-amount))
		if at < last.hi && at > last.lo {
			give = append(give, interval{at, last.hi})
			keep[len(keep)-1].hi = at
		}
		break
	}
	slices.Reverse(give)
	return keep, give
}

func (k rangeKind[R]) join(open, more []interval) ([]interval, error) {
	all := slices.Concat(open, more)
	slices.SortFunc(all, func(a, b interval) int {
		switch {
		case a.lo < b.lo:
			return -1
		case a.lo > b.lo:
			return 1
		}
		return 0
	})
	out := all[:0]
	for _, t := range all {
		switch {
		case t.hi < t.lo:
			return nil, fmt.Errorf("range from %d to %d: %w", t.lo, t.hi, errBackwards)
		case t.hi-t.lo < 0:
			return nil, fmt.Errorf("range from %d to %d: %w", t.lo, t.hi, errTooLong)
		case t.hi == t.lo:
		case len(out) > 0 && t.lo < out[len(out)-1].hi:
			return nil, errOverlap
		case len(out) > 0 && t.lo == out[len(out)-1].hi && t.hi-out[len(out)-1].lo > 0:
			out[len(out)-1].hi = t.hi
		default:
			out = append(out, t)
		}
	}
	return out, nil
}

var (
	errBackwards = errors.New("it ends before it begins")
	errTooLong   = errors.New("it holds more than 2^63 numbers")
)
