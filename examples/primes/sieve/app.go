package sieve

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wobcompute/wobcompute/sdk"
)

// Main is the application "primes": it counts the primes in [lo, hi). Its boundary is
// {"limit":N}, for [0, N), or {"lo":A,"hi":B}; its result is the number. The parameter
// "segment" is the sieve's segment in bytes.
func Main() int {
	var s *Sieve
	r := sdk.Range[int64]{
		Name: "primes", Version: "1.0.0",
		Setup: func(params json.RawMessage) (err error) {
			s, err = newFromParams(params)
			return err
		},
		Unit:  func(lo, hi int64) int64 { return s.Count(lo, hi) },
		Merge: func(a, b int64) int64 { return a + b },
		Check: checkRange,
		Parse: parseLimit,
		Align: DefaultSegment * 30,
	}
	return r.Main()
}

// newFromParams makes the sieve that app.json asks for.
func newFromParams(params json.RawMessage) (*Sieve, error) {
	var p struct {
		Segment int `json:"segment"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	return New(p.Segment)
}

// checkRange refuses ranges that this sieve was not made for.
func checkRange(lo, hi int64) error {
	if lo < 0 {
		return errors.New("the range begins below 0")
	}
	if hi > MaxLimit {
		return fmt.Errorf("the range ends at %d, this sieve counts up to %d", hi, int64(MaxLimit))
	}
	return nil
}

// parseLimit reads {"limit":N}.
func parseLimit(b json.RawMessage) (lo, hi int64, err error) {
	var p struct {
		Limit *int64 `json:"limit"`
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return 0, 0, err
	}
	if p.Limit == nil {
		return 0, 0, fmt.Errorf(`%.100s is neither {"limit":N} nor {"lo":A,"hi":B}`, b)
	}
	return 0, *p.Limit, nil
}
