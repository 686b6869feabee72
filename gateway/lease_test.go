package gateway

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

func TestARootIsLentToOneNode(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, _ := st.member()
	st.nothing(a)
	st.inject(2)
	st.inject(1)
	w := st.take(a)
	require.Equal(t, id(2), w.WOB.ID, "in the order of injection")
	require.Equal(t, wob.Incarnation{Epoch: 1, Holder: idA}, w.WOB.Incarnation())
	require.Equal(t, wob.Created, w.WOB.State)
	require.Equal(t, job.Boundary, w.WOB.Boundary)
	require.InDelta(t, 15, w.Lease.Seconds, 0.001)
	require.Equal(t, st.clock.Now().Add(15*time.Second), w.Lease.Expires)
	require.Equal(t, id(1), st.take(b).WOB.ID)
	st.nothing(b)
	one, err := st.owner.WOB(ctx, id(2))
	require.NoError(t, err)
	require.Equal(t, api.Running, one.State)
	require.Equal(t, idA, one.Location.Peer)
}

func TestOnlyRunnableWorkIsLent(t *testing.T) {
	st := newStage(t)
	addApp(t, st.cfg.ProjectDir, "queens", "1.0.0")
	addApp(t, st.cfg.ProjectDir, "queens", "1.1.0")
	st.s.pollProject()
	node, _ := st.member()
	_, err := st.owner.Inject(ctx, id(1), api.Injection{App: "queens@1.1.0", Boundary: "1"})
	require.NoError(t, err)
	_, err = st.owner.Inject(ctx, id(3), api.Injection{App: "queens@1.0.0", Boundary: "1"})
	refused(t, err, 422, api.CodeUnknownApp) // no node would ever take it
	for _, apps := range [][]string{{}, {"primes"}, {"primes@1.0.0"}, {"queens@1.0.0"}} {
		w, err := node.TakeWork(ctx, apps)
		require.NoError(t, err)
		require.Nil(t, w, apps)
	}
	w, err := node.TakeWork(ctx, []string{"primes", "queens@1.1.0"})
	require.NoError(t, err)
	require.NotNil(t, w)
	_, err = st.owner.Inject(ctx, id(2), api.Injection{App: "queens", Boundary: "1"})
	require.NoError(t, err)
	w, err = node.TakeWork(ctx, nil)
	require.NoError(t, err)
	require.NotNil(t, w, "null is any")
}

func TestAnExpiredLeaseIsHandedOutAgain(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	b, idB := st.member()
	overlay := &fakeOverlay{}
	st.s.SetOverlay(overlay)
	st.inject(1)
	first := st.take(a).WOB
	st.clock.pass(14 * time.Second)
	l, err := a.RenewLease(ctx, id(1), api.Renewal{Inc: first.Incarnation(), Version: 1})
	require.NoError(t, err)
	require.InDelta(t, 15, l.Seconds, 0.001)
	require.Equal(t, 15*time.Second, l.Duration())
	st.clock.pass(14 * time.Second)
	st.nothing(b)
	point := first.Clone()
	point.State, point.Version, point.Checkpoint = wob.Running, 3, `{"at":50}`
	require.NoError(t, a.PutFailsafe(ctx, point))
	st.clock.pass(14 * time.Second)
	st.nothing(b) // a checkpoint by the holder is a sign of life
	st.clock.pass(time.Second)
	level := overlay.workload()
	st.s.expire()
	require.Greater(t, overlay.workload(), level, "idle nodes learn of it")

	second := st.take(b).WOB
	require.Equal(t, wob.Incarnation{Epoch: 2, Holder: idB}, second.Incarnation())
	require.Equal(t, point.Checkpoint, second.Checkpoint, "it goes on from the newest checkpoint")
	require.Equal(t, uint64(3), second.Version)
	require.Equal(t, wob.Running, second.State)

	_, err = a.RenewLease(ctx, id(1), api.Renewal{Inc: first.Incarnation()})
	p := refused(t, err, 409, api.CodeSuperseded)
	require.Equal(t, second.Incarnation(), *p.Incarnation)
	point.Version = 9
	refused(t, a.PutFailsafe(ctx, point), 409, api.CodeSuperseded)
	refused(t, a.ReleaseLease(ctx, id(1), first.Incarnation()), 409, api.CodeSuperseded)
	_, err = b.RenewLease(ctx, id(1), api.Renewal{Inc: second.Incarnation()})
	require.NoError(t, err)
}

func TestAMigratedRootIsRenewedByItsNewHolder(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, idB := st.member()
	st.inject(1)
	w := st.take(a).WOB
	moved := wob.Incarnation{Epoch: 1, Moves: 1, Holder: idB}
	_, err := a.RenewLease(ctx, id(1), api.Renewal{Inc: moved})
	refused(t, err, 403, api.CodeForbidden)
	_, err = b.RenewLease(ctx, id(1), api.Renewal{Inc: wob.Incarnation{Epoch: 1, Moves: 0, Holder: idB}})
	refused(t, err, 409, api.CodeSuperseded)
	_, err = b.RenewLease(ctx, id(1), api.Renewal{Inc: moved, Effort: &wob.Effort{Total: 100, Remaining: 40}})
	require.NoError(t, err)
	_, err = a.RenewLease(ctx, id(1), api.Renewal{Inc: w.Incarnation()})
	require.Equal(t, moved, *refused(t, err, 409, api.CodeSuperseded).Incarnation)
	one, err := st.owner.WOB(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, idB, one.Location.Peer)
	require.InDelta(t, 40, one.Effort.Remaining, 0)

	st.restart()
	b.URL, a.URL = st.http.URL, st.http.URL
	st.clock.pass(16 * time.Second)
	back := st.take(a).WOB
	require.Equal(t, wob.Incarnation{Epoch: 2, Holder: idA}, back.Incarnation())
	_, err = b.RenewLease(ctx, id(1), api.Renewal{Inc: moved})
	refused(t, err, 409, api.CodeSuperseded)
}

func TestAReleasedRootIsHadAtOnce(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	b, _ := st.member()
	st.inject(1)
	w := st.take(a).WOB
	refused(t, b.ReleaseLease(ctx, id(1), w.Incarnation()), 403, api.CodeForbidden)
	require.NoError(t, a.ReleaseLease(ctx, id(1), w.Incarnation()))
	one, err := st.owner.WOB(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Queued, one.State)
	require.Equal(t, uint64(2), st.take(b).WOB.Epoch)
	refused(t, a.ReleaseLease(ctx, id(7), w.Incarnation()), 404, api.CodeNotFound)
}

func TestARestartStealsNoRoot(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	b, _ := st.member()
	st.inject(1)
	w := st.take(a).WOB
	st.clock.pass(time.Hour) // the gateway was down
	st.restart()
	a.URL, b.URL = st.http.URL, st.http.URL
	st.nothing(b)
	st.clock.pass(14 * time.Second)
	st.nothing(b)
	_, err := a.RenewLease(ctx, id(1), api.Renewal{Inc: w.Incarnation()})
	require.NoError(t, err)
	st.clock.pass(14 * time.Second)
	st.nothing(b)
}

func TestManyAskersGetDifferentRoots(t *testing.T) {
	st := newStage(t)
	const n = 12
	for i := range n {
		st.inject(i)
	}
	var mu sync.Mutex
	got := map[wob.ID]int{}
	var all sync.WaitGroup
	for range 6 {
		c, _ := st.member()
		all.Go(func() {
			for {
				w, err := c.TakeWork(ctx, nil)
				if err != nil {
					t.Error(err)
				}
				if w == nil {
					return
				}
				mu.Lock()
				got[w.WOB.ID]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Len(t, got, n)
	for i, times := range got {
		require.Equal(t, 1, times, i)
	}
}

// A holder that the overlay misses loses its root after one missed renewal; one that
// renews is alive, whatever the overlay believes.
func TestAMissingHolderLosesItsRootEarly(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	b, _ := st.member()
	overlay := &fakeOverlay{}
	st.s.SetOverlay(overlay)
	st.inject(1)
	first := st.take(a).WOB
	st.clock.pass(5 * time.Second)
	overlay.set(protocols.Entry{ID: id(1), Inc: first.Incarnation(), State: wob.Running, Stale: true})
	st.nothing(b)
	_, err := a.RenewLease(ctx, id(1), api.Renewal{Inc: first.Incarnation(), Version: 1})
	require.NoError(t, err)
	st.clock.pass(5 * time.Second)
	st.nothing(b)
	st.clock.pass(2 * time.Second)
	require.Equal(t, first.Epoch+1, st.take(b).WOB.Epoch)
	_, err = a.RenewLease(ctx, id(1), api.Renewal{Inc: first.Incarnation(), Version: 1})
	refused(t, err, 409, api.CodeSuperseded)
}
