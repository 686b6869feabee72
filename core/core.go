// Package core holds the few words that both state machines share: the machine's
// time, a fixed array of timers and the rule for addressing nodes.
//
// It is pure: no clock, no goroutine, no I/O. Whoever drives a machine (the node's
// event loop, a test, the simulator) passes the time in.
package core

import (
	"math"
	"time"
)

// Time is an instant on a machine's own clock, in nanoseconds since an origin that
// only the driver knows. It never goes backwards between two steps of one machine.
type Time int64

// Never is later than every instant a driver passes.
const Never Time = math.MaxInt64

// Add returns t+d, or Never when the sum does not fit.
func (t Time) Add(d time.Duration) Time {
	if t == Never || (d > 0 && t > Never-Time(d)) {
		return Never
	}
	return t + Time(d)
}

// Sub returns the duration from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Timers is a fixed set of deadlines, indexed by an enum of the machine that owns it.
// A machine sets and clears them; its driver asks Next and steps the machine then.
type Timers []Time

// NewTimers returns n timers, none of them set.
func NewTimers(n int) Timers {
	t := make(Timers, n)
	for i := range t {
		t[i] = Never
	}
	return t
}

// Set arms timer i for the instant at, whatever it was set to before.
func (t Timers) Set(i int, at Time) { t[i] = at }

// Clear disarms timer i.
func (t Timers) Clear(i int) { t[i] = Never }

// Armed reports whether timer i is set.
func (t Timers) Armed(i int) bool { return t[i] != Never }

// Take reports whether timer i is due at now, and disarms it if so.
func (t Timers) Take(i int, now Time) bool {
	if t[i] > now {
		return false
	}
	t[i] = Never
	return true
}

// Next returns the earliest deadline; ok is false when no timer is set.
func (t Timers) Next() (at Time, ok bool) {
	at = Never
	for _, d := range t {
		at = min(at, d)
	}
	return at, at != Never
}
