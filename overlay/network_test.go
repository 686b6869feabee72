package overlay

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "the first seed of the networks that must heal")
	seedsFlag = flag.Uint64("seeds", 60, "how many networks must heal")
)

func testID(n int) wob.ID { return wob.ID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

func running(n int) protocols.Entry {
	return protocols.Entry{ID: testID(n), App: "primes", Inc: wob.Incarnation{Epoch: 1}, State: wob.Running, Remaining: 100, Speed: 1}
}

// chaos runs ten nodes through loss, kills, restarts, cuts and a gateway that is away,
// heals everything and demands one cluster that knows every WOB held.
func chaos(t *testing.T, seed uint64, capacity int) uint64 {
	w := newWorld(t, seed)
	w.tweak = func(c *Config) { c.MinSupervisors = []int{3, 1, 5}[seed%3] }
	w.sent = func(from, _ wob.NodeID, body protocols.Body) {
		if p, ok := body.(protocols.Prepare); ok {
			require.NotContains(t, names(p.Next), wob.NodeID("n4"), "%s elects a node behind NAT", from)
		}
	}
	held := map[wob.NodeID]int{}
	name := func(i int) wob.NodeID { return wob.NodeID(fmt.Sprintf("n%d", i)) }
	next := 0
	for i := range 10 {
		w.start(name(i), capacity+i%3*capacity/2, i != 4)
		w.run(time.Duration(w.rng.IntN(300)) * time.Millisecond)
	}
	w.loss = float64(w.rng.IntN(3)) * 0.05
	for range 40 {
		id := name(w.rng.IntN(10))
		h := w.nodes[id]
		switch p := w.rng.IntN(12); {
		case !h.alive || h.role == Idling:
			w.start(id, capacity+int(id[1]-'0')%3*capacity/2, id != "n4")
			delete(held, id)
		case p < 4:
			next++
			w.step(id, Hold{running(next)})
			held[id] = next
		case p < 5:
			w.kill(id)
			delete(held, id)
		case p < 6:
			w.cuts[pair(id, name(w.rng.IntN(10)))] = true
		case p < 7:
			w.gw.set(w, !w.gw.down)
		case p < 8:
			clear(w.cuts)
		case p < 9 && held[id] != 0:
			w.step(id, Release{Entry: running(held[id]), Gone: true})
			delete(held, id)
		case p == 9 && w.rng.IntN(3) == 0:
			w.step(id, Leave{})
			delete(held, id)
		}
		w.run(time.Duration(w.rng.IntN(4000)) * time.Millisecond)
	}
	clear(w.cuts)
	w.loss = 0
	w.gw.set(w, false)
	for i := range 10 {
		if h := w.nodes[name(i)]; !h.alive || h.role == Idling {
			w.start(name(i), capacity+i%3*capacity/2, i != 4)
			delete(held, name(i)) // it left after it was given the WOB
		}
	}
	w.until(4*time.Minute, "one healthy cluster", w.settled)
	w.until(10*time.Second, "every WOB found everywhere", func() bool {
		for id, n := range held {
			for _, h := range w.nodes {
				e, answer := h.Lookup(testID(n))
				if h.sup != nil && (answer != protocols.Found || e.Inc.Holder != id || e.Stale) {
					return false
				}
			}
		}
		return w.settled()
	})
	return w.hash.Sum64()
}

func TestAnyNetworkHeals(t *testing.T) { chaosOfSeeds(t, 20) }

// With room for little more than the ten, nodes are refused and sent on.
func TestANarrowNetworkHeals(t *testing.T) { chaosOfSeeds(t, 6) }

// chaosOfSeeds runs the seeds that the flags name; a failure says how to repeat it.
func chaosOfSeeds(t *testing.T, capacity int) {
	for seed := *seedFlag; seed < *seedFlag+*seedsFlag; seed++ {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) { chaos(t, seed, capacity) })
		if !ok {
			t.Errorf("repeat with: go test ./overlay -run %s -seed %d -seeds 1", t.Name(), seed)
		}
	}
}

func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	require.Equal(t, chaos(t, 3, 20), chaos(t, 3, 20))
	require.NotEqual(t, chaos(t, 3, 20), chaos(t, 4, 20))
}
