package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

func finished(w *wob.WOB, result wob.Raw) *wob.WOB {
	f := w.Clone()
	f.State, f.Result, f.Version = wob.Finished, result, f.Version+1
	return f
}

func TestTheFirstCompleteResultWins(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	b, _ := st.member()
	st.inject(1)
	r, err := st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Queued, r.State)
	old := st.take(a).WOB
	child := &wob.WOB{ID: id(50), App: "primes", Parent: id(1), State: wob.Running, Holder: "x"}
	grandchild := &wob.WOB{ID: id(51), App: "primes", Parent: id(50), State: wob.Running, Holder: "x"}
	require.NoError(t, a.PutFailsafe(ctx, child))
	require.NoError(t, a.PutFailsafe(ctx, grandchild))
	require.NoError(t, a.PutFailsafe(ctx, old))
	st.clock.pass(20 * time.Second)
	current := st.take(b).WOB
	require.Equal(t, uint64(2), current.Epoch)
	require.Equal(t, 202, st.raw("GET", "/api/v1/wobs/"+string(id(1))+"/result", testToken, "").StatusCode)

	late := finished(old, `{"primes":25}`)
	late.Stats = wob.Stats{WOBs: 3, Splits: 3, Recovered: 1}
	accepted, err := a.PutResult(ctx, late)
	require.NoError(t, err)
	require.True(t, accepted, "any complete result is right, whichever incarnation it is of (S1-S4)")
	accepted, err = b.PutResult(ctx, finished(current, `{"primes":25}`))
	require.NoError(t, err)
	require.False(t, accepted)
	r, err = st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Result{ID: id(1), State: api.Finished, Result: `{"primes":25}`, Seconds: 20, WOBs: 4, Stats: late.Stats}, r)
	_, err = b.RenewLease(ctx, id(1), api.Renewal{Inc: current.Incarnation()})
	refused(t, err, 409, api.CodeSuperseded)
	list, err := st.owner.FailsafeList(ctx)
	require.NoError(t, err)
	require.Empty(t, list, "nothing of its tree is needed any more")
	refused(t, a.PutFailsafe(ctx, child), 410, api.CodeCancelled)

	st.restart()
	again, err := st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, r, again)
	st.nothing(mustMember(st))
}

func mustMember(st *stage) *api.Client {
	c, _ := st.member()
	return c
}

func TestBadResults(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	st.inject(1)
	w := st.take(a).WOB
	put := func(change func(*wob.WOB)) error {
		f := finished(w, "1")
		change(f)
		_, err := a.PutResult(ctx, f)
		return err
	}
	require.Equal(t, "state", refused(t, put(func(w *wob.WOB) { w.State = wob.Running }), 422, api.CodeInvalid).Field)
	require.Equal(t, "state", refused(t, put(func(w *wob.WOB) { w.State = wob.Cancelled }), 422, api.CodeInvalid).Field)
	require.Equal(t, "boundary", refused(t, put(func(w *wob.WOB) { w.Boundary = "1" }), 422, api.CodeInvalid).Field)
	require.Equal(t, "parent", refused(t, put(func(w *wob.WOB) { w.Parent = id(5) }), 422, api.CodeInvalid).Field)
	refused(t, put(func(w *wob.WOB) { w.ID = id(5) }), 404, api.CodeNotFound)
	refused(t, put(func(w *wob.WOB) { w.State, w.Epoch = wob.Failed, 0 }), 409, api.CodeSuperseded)
	_, err := st.owner.Result(ctx, id(5))
	refused(t, err, 404, api.CodeNotFound)
	r, err := st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Running, r.State)
}

func TestAFailedRootTellsWhy(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	st.inject(1)
	w := st.take(a).WOB
	w.State, w.Result = wob.Failed, "17"
	w.AddFailure(wob.Failure{Node: "n", Error: "exit 1", Log: "division by zero"})
	accepted, err := a.PutResult(ctx, w)
	require.NoError(t, err)
	require.True(t, accepted)
	r, err := st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Failed, r.State)
	require.True(t, r.Result.IsNull(), "a failed job has no result")
	require.Equal(t, "division by zero", r.Failures[0].Log)
	st.restart()
	one, err := st.owner.WOB(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, r.Failures, one.Failures)
}

func TestAFinishedRootMayComeThroughTheFailsafeStore(t *testing.T) {
	st := newStage(t)
	a, _ := st.member()
	st.inject(1)
	require.NoError(t, a.PutFailsafe(ctx, finished(st.take(a).WOB, "25")))
	r, err := st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Finished, r.State)
	require.Equal(t, wob.Raw("25"), r.Result)
}
