package work

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
)

// rest is an application that does not come up on this node. Meanwhile the slots are the
// other applications'.
type rest struct {
	failures int       // starts in a row that failed
	until    core.Time // Never once it may be started again
}

// Pauses between starts of an application that does not come up.
const (
	startAgain    = time.Second
	startAgainMax = time.Minute
)

// rest lets an application rest after a start that failed, longer each time.
func (m *Machine) rest(app string) {
	r := m.resting[app]
	if r == nil {
		r = new(rest)
		m.resting[app] = r
	}
	r.failures++
	r.until = m.in(m.jitter(min(startAgain<<min(r.failures-1, 6), startAgainMax)))
}

// fit reports whether a process of the application may be started.
func (m *Machine) fit(app string) bool {
	r := m.resting[app]
	return r == nil || r.until == core.Never
}

// mended gives another version of an application its chance at once, with the records
// that the old one failed.
func (m *Machine) mended(app string) {
	delete(m.resting, app)
	for _, r := range m.list {
		if appName(r.app()) == app {
			r.failures, r.barred = 0, 0
		}
	}
}
