package work

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/wob"
)

// job injects a root of n units.
func (w *world) job(n int) wob.ID { return w.jobOf("range", n) }

func (w *world) jobOf(app string, n int) wob.ID {
	id := w.newID()
	w.gate.inject(&wob.WOB{ID: id, App: app, State: wob.Created, Boundary: raw(span{0, n}),
		Effort: wob.Effort{Total: float64(n), Remaining: float64(n)}})
	w.rose()
	return id
}

// finish runs until the root is finished and checks its result.
func (w *world) finishJob(id wob.ID, n int, within time.Duration) error {
	if !w.run(within, func() bool { return w.gate.roots[id].done != nil }) && w.err == nil {
		w.fail("not finished: %s", w.dump())
	}
	if w.err == nil {
		if got, want := w.gate.roots[id].done.Result, raw([]span{{0, n}}); got != want {
			w.fail("%w: %s", errWrong, got)
		}
	}
	return w.err
}

func (w *world) dump() string {
	s := ""
	for _, id := range w.order {
		if n := w.nodes[id]; n.up {
			s += fmt.Sprintf("\n%s: %+v search %+v expected %d", id, n.m.Snapshot(), n.m.search, len(n.m.expected))
			for _, r := range n.m.list {
				s += fmt.Sprintf("\n   %s open %v own %v save %v births %d results %d returns %d offer %v kids %d", r.id(), r.open, r.ownDone, r.save != nil, len(r.births), len(r.results), len(r.returns), r.offer, len(r.kids))
				for _, k := range r.kids {
					s += fmt.Sprintf(" kid %+v", *k)
				}
			}
		} else {
			s += fmt.Sprintf("\n%s: down", id)
		}
	}
	return s
}

func TestJobRunsOnThree(t *testing.T) {
	w := newWorld(1)
	for _, id := range []wob.NodeID{"a", "b", "c"} {
		w.add(id, 1, true, nil)
	}
	id := w.job(30_000)
	require.NoError(t, w.finishJob(id, 30_000, time.Minute))
	t.Log(time.Duration(w.now), w.gate.roots[id].done.Stats)
	w.run(time.Minute, nil)
	require.NoError(t, w.err)
	for _, n := range w.nodes {
		require.Empty(t, n.m.list, w.dump())
	}
}
