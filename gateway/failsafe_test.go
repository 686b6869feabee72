package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

func child(n, parent int, version uint64) *wob.WOB {
	return &wob.WOB{ID: id(n), App: "primes", Parent: id(parent), Epoch: 1, Holder: "12D3KooWother", Version: version, State: wob.Running,
		Boundary: `{"from":5,"to":9}`, Checkpoint: `{"at":7}`, Effort: wob.Effort{Total: 4, Remaining: 2}}
}

func TestTheNewestSnapshotIsKept(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	require.NoError(t, a.PutFailsafe(ctx, child(10, 9, 4)))
	require.NoError(t, a.PutFailsafe(ctx, child(10, 9, 4)), "the same again")
	stamp := child(10, 9, 4).Stamp()
	require.Equal(t, stamp, *refused(t, a.PutFailsafe(ctx, child(10, 9, 3)), 409, api.CodeSuperseded).Stamp)
	recovered := child(10, 9, 0)
	recovered.Epoch = 2
	require.NoError(t, a.PutFailsafe(ctx, recovered))
	got, err := a.Failsafe(ctx, id(10))
	require.NoError(t, err)
	require.Equal(t, recovered, got)
	list, err := a.FailsafeList(ctx)
	require.NoError(t, err)
	require.Equal(t, []api.FailsafeEntry{{ID: id(10), App: "primes", Parent: id(9), State: wob.Running, Stamp: recovered.Stamp(),
		Effort: recovered.Effort}}, list)
	_, err = a.Failsafe(ctx, id(11))
	refused(t, err, 404, api.CodeNotFound)
	root := child(12, 9, 1)
	root.Parent = ""
	refused(t, a.PutFailsafe(ctx, root), 404, api.CodeNotFound)

	where, err := st.owner.WOB(ctx, id(10))
	require.NoError(t, err)
	require.Equal(t, wob.NodeID(api.AtGateway), where.Location.Peer, "what lies here stays findable")
}

func TestParentsComeBeforeChildren(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	st.inject(1)
	root := st.take(a).WOB
	require.NoError(t, a.PutFailsafe(ctx, child(3, 2, 1)))
	require.NoError(t, a.PutFailsafe(ctx, child(2, 1, 1)))
	done := child(4, 1, 1)
	done.State, done.Result = wob.Finished, "3"
	require.NoError(t, a.PutFailsafe(ctx, done))
	require.NoError(t, a.ReleaseLease(ctx, id(1), root.Incarnation()))

	var order []wob.ID
	for range 4 {
		w := st.take(a)
		order = append(order, w.WOB.ID)
		require.Equal(t, uint64(2), w.WOB.Epoch, "a raised epoch")
		require.Equal(t, idA, w.WOB.Holder)
		if w.WOB.ID == id(4) {
			require.Equal(t, wob.Finished, w.WOB.State, "its result waited for its parent")
		}
	}
	require.Equal(t, []wob.ID{id(1), id(2), id(3), id(4)}, order)
	st.nothing(a)

	st.restart()
	a.URL = st.http.URL
	st.clock.pass(time.Minute)
	require.Equal(t, id(1), st.take(a).WOB.ID, "the root's lease ran out")
	st.nothing(a) // a failsafe WOB is lent for longer
	st.clock.pass(2 * time.Minute)
	require.Equal(t, id(1), st.take(a).WOB.ID)
	again := st.take(a).WOB
	require.Equal(t, id(2), again.ID)
	require.Equal(t, uint64(3), again.Epoch, "above the one lent before the restart")
	_, err := a.RenewLease(ctx, id(2), api.Renewal{Inc: wob.Incarnation{Epoch: 2, Holder: idA}})
	refused(t, err, 409, api.CodeSuperseded)
	_, err = a.RenewLease(ctx, id(2), api.Renewal{Inc: again.Incarnation()})
	require.NoError(t, err)
	require.NoError(t, a.ReleaseLease(ctx, id(2), again.Incarnation()))
	require.Equal(t, uint64(4), st.take(a).WOB.Epoch)
}

func TestWhatTheOverlayComputesIsNotLent(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	overlay := &fakeOverlay{answer: protocols.Absent}
	st.s.SetOverlay(overlay)
	require.NoError(t, a.PutFailsafe(ctx, child(10, 9, 4)))
	entry := protocols.Entry{ID: id(10), App: "primes", Parent: id(9), Inc: child(10, 9, 0).Incarnation(), Version: 6, State: wob.Running,
		Addrs: []string{"/ip4/10.0.0.1/tcp/1"}}
	overlay.set(entry)
	st.nothing(a)
	one, err := st.owner.WOB(ctx, id(10))
	require.NoError(t, err)
	require.Equal(t, &api.Location{Peer: entry.Inc.Holder, Addrs: entry.Addrs, Fresh: true, Epoch: 1, Version: 6}, one.Location)
	entry.Stale = true
	overlay.set(entry)
	w := st.take(a).WOB
	require.Equal(t, uint64(2), w.Epoch)
	st.clock.pass(time.Hour)
	entry.Stale = false
	overlay.set(entry) // an older incarnation than the one lent: no sign of its life
	w = st.take(a).WOB
	require.Equal(t, uint64(3), w.Epoch)
	entry.Inc, entry.Gone = w.Incarnation(), true
	overlay.set(entry)
	st.clock.pass(time.Hour)
	st.nothing(a)
	list, err := a.FailsafeList(ctx)
	require.NoError(t, err)
	require.Empty(t, list, "what is over is dropped")
	_, err = st.owner.WOB(ctx, id(10))
	refused(t, err, 404, api.CodeNotFound)
	overlay.answer = protocols.Unknown
	_, err = st.owner.WOB(ctx, id(11))
	require.Equal(t, "ask again", refused(t, err, 404, api.CodeNotFound).Hint)
}

func TestTree(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	overlay := &fakeOverlay{answer: protocols.Absent}
	st.s.SetOverlay(overlay)
	st.inject(1)
	tree, err := st.owner.Tree(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, "queued", tree.State)
	w := st.take(a).WOB
	at := func(n, parent int, holder wob.NodeID) protocols.Entry {
		return protocols.Entry{ID: id(n), Parent: id(parent), App: "primes", Inc: wob.Incarnation{Epoch: 1, Holder: holder}, Version: 2,
			State: wob.Running, Remaining: 10, Speed: 2}
	}
	root, gone, loop := at(1, 0, idA), at(5, 1, "x"), at(6, 7, "x")
	root.Parent, root.Inc, gone.Gone = "", w.Incarnation(), true
	overlay.set(at(3, 1, "b"), root, at(2, 1, "c"), at(4, 3, "d"), gone, loop, at(7, 6, "x"))
	require.NoError(t, a.PutFailsafe(ctx, child(8, 4, 1)))
	tree, err = st.owner.Tree(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, "running", tree.State)
	require.Equal(t, idA, tree.Holder)
	require.Len(t, tree.Children, 2)
	require.Equal(t, id(2), tree.Children[0].ID)
	require.Equal(t, id(4), tree.Children[1].Children[0].ID)
	require.Equal(t, wob.NodeID(api.AtGateway), tree.Children[1].Children[0].Children[0].Holder)
	looped, err := st.owner.Tree(ctx, id(6))
	require.NoError(t, err, "contradicting entries do no harm")
	require.Len(t, looped.Children, 1)
	_, err = st.owner.Tree(ctx, id(99))
	refused(t, err, 404, api.CodeNotFound)
}

func TestARunningJobCountsItsTree(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	overlay := &fakeOverlay{answer: protocols.Absent}
	st.s.SetOverlay(overlay)
	st.inject(1)
	st.inject(2)
	counts := func() [2]uint64 {
		all, err := st.owner.WOBs(ctx)
		require.NoError(t, err)
		for _, r := range all {
			one, err := st.owner.WOB(ctx, r.ID)
			require.NoError(t, err)
			require.Equal(t, r.WOBs, one.WOBs)
			require.Equal(t, r.Phase, one.Phase)
		}
		return [2]uint64{all[0].WOBs, all[1].WOBs}
	}
	require.Equal(t, [2]uint64{1, 1}, counts())
	w := st.take(a).WOB
	at := func(n, parent int) protocols.Entry {
		return protocols.Entry{ID: id(n), Parent: id(parent), App: "primes", Inc: wob.Incarnation{Epoch: 1, Holder: "x"}, State: wob.Running}
	}
	root, gone := at(1, 0), at(6, 1)
	root.Parent, root.Inc, gone.Gone = "", w.Incarnation(), true
	overlay.set(at(4, 3), at(3, 1), root, gone, at(7, 6), at(8, 9), at(9, 8), at(10, 2), at(11, 99))
	require.Equal(t, [2]uint64{4, 2}, counts(), "a dropped WOB does not count, but leads to its children")
	w.Version, w.Stats.WOBs = 1, 5
	require.NoError(t, a.PutFailsafe(ctx, w))
	require.NoError(t, a.PutFailsafe(ctx, child(12, 4, 1)))
	require.Equal(t, [2]uint64{10, 2}, counts(), "what was merged, and what lies here")

	w.Stats.WOBs = 8
	_, err := a.PutResult(ctx, finished(w, "25"))
	require.NoError(t, err)
	require.Equal(t, [2]uint64{9, 2}, counts(), "the end is exact")
	require.Equal(t, idA, w.Holder)
	st.restart()
	require.Equal(t, [2]uint64{9, 1}, counts(), "and kept")
}

func TestASuspendedRootSaysSo(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	overlay := &fakeOverlay{answer: protocols.Absent}
	st.s.SetOverlay(overlay)
	st.inject(1)
	stands := func(state api.State, phase wob.State, inTree string) {
		t.Helper()
		all, err := st.owner.WOBs(ctx)
		require.NoError(t, err)
		require.Equal(t, state, all[0].State)
		require.Equal(t, phase, all[0].Phase)
		tree, err := st.owner.Tree(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, inTree, tree.State)
	}
	w := st.take(a).WOB
	e := protocols.Entry{ID: id(1), App: "primes", Inc: w.Incarnation(), State: wob.Suspended}
	overlay.set(e)
	stands(api.Running, wob.Suspended, "suspended")
	e.Inc.Epoch = 0
	overlay.set(e)
	stands(api.Running, "", "running")
	e.Inc = w.Incarnation()
	e.Gone = true
	overlay.set(e)
	stands(api.Running, "", "running")
	e.Gone = false
	overlay.set(e)
	_, err := a.PutResult(ctx, finished(w, "25"))
	require.NoError(t, err)
	stands(api.Finished, "", "finished")
}

func TestAPartOfAJobIsNamedSo(t *testing.T) {
	st := newStage(t)
	overlay := &fakeOverlay{answer: protocols.Absent}
	st.s.SetOverlay(overlay)
	st.inject(1)
	overlay.set(protocols.Entry{ID: id(2), Parent: id(1)}, protocols.Entry{ID: id(3), Parent: id(2)}, protocols.Entry{ID: id(4), Parent: id(5)})
	_, err := st.owner.Result(ctx, id(3))
	require.Contains(t, refused(t, err, 404, api.CodeNotFound).Detail, "part of job "+string(id(1)))
	require.Contains(t, refused(t, st.owner.Cancel(ctx, id(2)), 404, api.CodeNotFound).Detail, "part of job "+string(id(1)))
	for _, unknown := range []int{4, 6} {
		require.NotContains(t, refused(t, st.owner.Cancel(ctx, id(unknown)), 404, api.CodeNotFound).Detail, "part of")
	}
}
