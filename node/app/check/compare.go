package check

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/wobcompute/wobcompute/wob"
)

// floatError is the relative difference that two fractions may have: their last digits depend on
// the order in which parts were added.
const floatError = 1e-9

// same reports whether two results are equal as JSON; integers exactly, fractions nearly.
func same(a, b wob.Raw) bool {
	x, errX := value(a)
	y, errY := value(b)
	return errX == nil && errY == nil && equal(x, y)
}

func value(r wob.Raw) (any, error) {
	if r.IsNull() {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(string(r)))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func equal(x, y any) bool {
	switch x := x.(type) {
	case json.Number:
		y, ok := y.(json.Number)
		return ok && (x == y || fractionsEqual(x, y))
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			v, ok := y[k]
			if !ok || !equal(x[k], v) {
				return false
			}
		}
		return true
	}
	return x == y
}

// fractionsEqual compares numbers of which one at least is written with a point or exponent.
func fractionsEqual(x, y json.Number) bool {
	if !strings.ContainsAny(string(x)+string(y), ".eE") {
		return false
	}
	f, errF := x.Float64()
	g, errG := y.Float64()
	return errF == nil && errG == nil && near(f, g)
}

// near reports whether two figures are equal but for rounding.
func near(f, g float64) bool {
	return math.Abs(f-g) <= floatError*math.Max(1, math.Max(math.Abs(f), math.Abs(g)))
}

// short cuts a result for a sentence.
func short(r wob.Raw) string {
	if r == "" {
		return "null"
	}
	if len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return string(r)
}
