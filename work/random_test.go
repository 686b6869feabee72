package work

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed alone")
	seedsFlag = flag.Uint64("seeds", 300, "how many random histories to run")
)

// TestRandomHistories runs one job on five machines under loss, repetition, crashes of
// nodes and applications, cuts, pauses and leaves. After that all is healed, and the
// result must be exact: every unit counted once.
func TestRandomHistories(t *testing.T) {
	if *seedFlag != 0 {
		_, err := randomHistory(*seedFlag)
		require.NoError(t, err)
		return
	}
	for seed := uint64(1); seed <= *seedsFlag; seed++ {
		if _, err := randomHistory(seed); err != nil {
			t.Fatalf("seed %d: %v\nrepeat with: go test ./work -run TestRandomHistories -seed %d", seed, err, seed)
		}
	}
}

func TestSameSeedSameHistory(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, err := randomHistory(seed)
		require.NoError(t, err)
		b, err := randomHistory(seed)
		require.NoError(t, err)
		require.Equal(t, a, b, "seed %d", seed)
	}
}

func randomHistory(seed uint64) (hash uint64, err error) {
	w := newWorld(seed)
	rng := w.rng
	w.loss, w.dup, w.crashes = rng.IntN(12), rng.IntN(12), rng.IntN(6)
	w.loses = true
	w.lostSays = []string{"", appapi.ActionRecover, appapi.ActionReclaim, appapi.ActionWait}[rng.IntN(4)]
	if rng.IntN(3) == 0 {
		w.finish = appapi.FinishCall
	}
	for i := range 5 {
		w.add(wob.NodeID(fmt.Sprint("n", i)), []int{1, 1, 2, 1, 0}[i], i != 1, nil)
	}
	const units = 60_000
	id := w.job(units)
	for range 3 + rng.IntN(12) {
		w.after(time.Duration(rng.Int64N(int64(30*time.Second))), func() { w.trouble() })
	}
	w.run(45*time.Second, nil)
	w.heal()
	if w.lostSays == appapi.ActionWait {
		w.lostSays = appapi.ActionRecover
	}
	err = w.finishJob(id, units, time.Hour)
	if err != nil {
		return w.hash, err
	}
	if !w.run(20*time.Minute, w.empty) && w.err == nil { // what is left of zombies goes by itself
		w.fail("something stays after the end: %s", w.dump())
	}
	return w.hash, w.err
}

// trouble does one thing to one node, undone some time later.
func (w *world) trouble() {
	n := w.nodes[w.order[w.rng.IntN(len(w.order))]]
	for_ := time.Duration(w.rng.Int64N(int64(15 * time.Second)))
	switch w.rng.IntN(5) {
	case 0, 1:
		n.crash()
		w.after(for_, func() { n.revive() })
	case 2:
		w.cut[n.id] = true
		w.viewChanged()
		w.hint(n.id)
		w.after(for_, func() { w.mend(n) })
	case 3:
		n.step(Pause{})
		n.later(for_, Resume{})
	case 4:
		n.step(Leave{Grace: 3 * time.Second})
		w.after(for_+4*time.Second, func() {
			n.crash()
			w.after(time.Second, func() { n.revive() })
		})
	}
}

// empty reports whether no node holds a WOB.
func (w *world) empty() bool {
	for _, n := range w.nodes {
		if n.up && len(n.m.list) > 0 {
			return false
		}
	}
	return true
}

func (n *node) revive() {
	if !n.up {
		n.start()
		n.w.rose()
	}
}

func (w *world) mend(n *node) {
	if !w.cut[n.id] {
		return
	}
	delete(w.cut, n.id)
	w.viewChanged()
	if n.up { // the overlay of a node that is back announces again what it holds
		for _, r := range n.m.list {
			n.overlay(Hold{n.m.entry(r)})
		}
		w.after(time.Minute, n.purge)
	}
}

func (w *world) heal() {
	w.loss, w.dup, w.crashes = 0, 0, 0
	for _, id := range w.order {
		n := w.nodes[id]
		w.mend(n)
		if n.up && n.m.left {
			n.crash()
		}
	}
	w.run(time.Second, nil)
	for _, id := range w.order {
		w.nodes[id].revive()
		w.nodes[id].step(Resume{})
	}
}
