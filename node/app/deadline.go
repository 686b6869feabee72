package app

import (
	"time"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// startWithin is how long a process may take to call Start.
const startWithin = 30 * time.Second

// table holds the protocol's deadlines. OnCompute has none: it is bounded by Suspend.
var table = map[string]time.Duration{
	appapi.Start:              startWithin,
	appapi.OnWOBInit:          30 * time.Second,
	appapi.Suspend:            10 * time.Second,
	appapi.OnCheckpoint:       30 * time.Second,
	appapi.OnWOBRequest:       2 * time.Second,
	appapi.OnWOBOfferAck:      30 * time.Second,
	appapi.OnWOBChildReturn:   30 * time.Second,
	appapi.OnWOBChildLost:     30 * time.Second,
	appapi.OnWOBChildFinished: 30 * time.Second,
}

// unknownWithin bounds calls of methods that the table does not name.
const unknownWithin = 30 * time.Second

// within returns how long a call of the method may stay open, for an application whose own
// timeout is raise: the longer of the two. The grace of OnAppExit is the user's and stays.
func (c *Config) within(method string, raise time.Duration) time.Duration {
	if method == appapi.OnAppExit {
		return c.Grace
	}
	d, ok := c.Deadlines[method]
	if !ok {
		d, ok = table[method]
	}
	if !ok {
		d = unknownWithin
	}
	return max(d, raise)
}

// alarm is the earliest of a process's deadlines, each with what to do when it is missed.
type alarm int

// The deadlines of a process.
const (
	alarmStart   alarm = iota // Start not called
	alarmCall                 // the ordinary request in flight not answered
	alarmCompute              // OnCompute not answered after Suspend
	alarmStop                 // still alive after standard input was closed
	alarmEOF                  // still alive after it closed standard output
)

// alarms is how many there are.
const alarms = int(alarmEOF) + 1

// alarmSet is a fixed array of deadlines; the zero time means not set.
type alarmSet [alarms]time.Time

// next returns the earliest deadline.
func (a *alarmSet) next() (which alarm, at time.Time, ok bool) {
	for i, t := range a {
		if !t.IsZero() && (!ok || t.Before(at)) {
			which, at, ok = alarm(i), t, true
		}
	}
	return which, at, ok
}

// set arms a deadline d from now.
func (a *alarmSet) set(which alarm, d time.Duration) { a[which] = time.Now().Add(d) }

// clear disarms a deadline.
func (a *alarmSet) clear(which alarm) { a[which] = time.Time{} }
