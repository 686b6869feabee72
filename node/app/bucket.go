package app

import "time"

// Notes that an application may send: at first, and per second.
const (
	noteBurst = 64
	noteRate  = 20
)

// bucket limits how many notifications of an application reach the node: they are for people
// (Progress) or wake idle nodes (NotifyWorkloadAvailable), and more of them are of no use.
type bucket struct {
	used float64
	last time.Time
}

// take reports whether one more note may pass.
func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.used = max(0, b.used-now.Sub(b.last).Seconds()*noteRate)
	}
	b.last = now
	if b.used+1 > noteBurst {
		return false
	}
	b.used++
	return true
}
