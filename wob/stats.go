package wob

// counter is one field of Stats and its name in JSON.
type counter struct {
	name string
	n    *uint64
}

func (s *Stats) counters() [5]counter {
	return [...]counter{
		{"wobs", &s.WOBs}, {"splits", &s.Splits}, {"recovered", &s.Recovered},
		{"reclaimed", &s.Reclaimed}, {"moves", &s.Moves},
	}
}

// Add adds o to s. A counter stops at MaxCount: no child's counts can make its
// parent's invalid.
func (s *Stats) Add(o Stats) {
	theirs := o.counters()
	for i, mine := range s.counters() {
		*mine.n = min(min(*mine.n, MaxCount)+min(*theirs[i].n, MaxCount), MaxCount)
	}
}
