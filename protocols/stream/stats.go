package stream

import (
	"sync/atomic"

	"github.com/wobcompute/wobcompute/protocols"
)

// Counter counts messages and their bytes on the wire, lengths and envelopes included.
type Counter struct {
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
}

// Stats are totals since the start.
type Stats struct {
	Sent, Received map[protocols.Kind]Counter // kinds that never occurred are left out
	Unknown        uint64                     // messages of kinds this version does not know, dropped
	Rejected       uint64                     // messages and streams refused
	Failed         uint64                     // messages not sent
}

// counters are lock-free: the maps are complete from the start.
type counters struct {
	sent, received            map[protocols.Kind]*counter
	unknown, rejected, failed atomic.Uint64
}

type counter struct{ messages, bytes atomic.Uint64 }

func (c *counter) add(n int) {
	c.messages.Add(1)
	c.bytes.Add(uint64(n)) //nolint:gosec // a length
}

func newCounters() *counters {
	c := &counters{sent: map[protocols.Kind]*counter{}, received: map[protocols.Kind]*counter{}}
	for _, d := range protocols.Catalogue() {
		c.sent[d.Kind], c.received[d.Kind] = new(counter), new(counter)
	}
	return c
}

func (c *counters) snapshot() Stats {
	return Stats{
		Sent: totals(c.sent), Received: totals(c.received),
		Unknown: c.unknown.Load(), Rejected: c.rejected.Load(), Failed: c.failed.Load(),
	}
}

func totals(all map[protocols.Kind]*counter) map[protocols.Kind]Counter {
	out := map[protocols.Kind]Counter{}
	for kind, c := range all {
		if n := c.messages.Load(); n > 0 {
			out[kind] = Counter{Messages: n, Bytes: c.bytes.Load()}
		}
	}
	return out
}
