package overlay

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// The primary alone reports, with the sums of all supervisors.
func TestTheReportCountsTheWholeCluster(t *testing.T) {
	w, _ := victim(t, 1)
	for _, id := range []wob.NodeID{"a", "b", "c", "d", "e", "f"} {
		w.step(id, Idle{2})
	}
	w.run(20 * time.Second)
	r := w.gw.clusters[w.nodes["a"].view.Cluster].status
	require.Equal(t, w.nodes["a"].view, r.View)
	require.Equal(t, 6, r.Members)
	require.Equal(t, 12, r.Idle)
	require.Equal(t, 3, r.Work)
	require.Equal(t, 3*88, r.Capacity)
	require.Empty(t, r.Lease)
}

// reports returns the reports among effects.
func reports(out []Effect) []Status {
	var list []Status
	for _, e := range out {
		if r, ok := e.(ReportStatus); ok {
			list = append(list, r.Status)
		}
	}
	return list
}

// A founder reports its lease in the same step, again when the gateway is away, and
// dissolves when it is refused.
func TestAFounderLivesByItsLease(t *testing.T) {
	w := newWorld(t, 1)
	w.gw.down = true
	h := w.start("a", 100, true)
	out := h.Step(w.now, GatewayClusters{Answer: "found", Lease: "l"}, nil)
	require.Len(t, reports(out), 1)
	first := reports(out)[0]
	require.Equal(t, "l", first.Lease)
	require.Equal(t, uint64(1), first.View.Epoch)
	require.Equal(t, Supervisor, h.Snapshot().Role)

	require.Empty(t, reports(h.Step(w.now, StatusAnswer{Err: "down"}, nil)))
	out = h.Step(w.now.Add(time.Second), Wake{}, nil)
	require.Equal(t, []Status{first}, reports(out))

	out = h.Step(w.now.Add(time.Second), StatusAnswer{Accepted: false}, nil)
	require.Contains(t, out, Effect(AskGateway{}))
	require.Contains(t, out, Effect(Unsubscribe{first.View.Cluster}))
	require.Equal(t, Joining, h.Snapshot().Role)
	require.NoError(t, h.CheckInvariants())
}

// The gateway flag goes to the first asker after a rise, to others every two seconds,
// and later every ten.
func TestAskersDoNotStormTheGateway(t *testing.T) {
	w, _ := victim(t, 1)
	a := w.nodes["a"]
	w.run(time.Minute)
	ask := func() bool {
		for _, e := range a.Step(w.now, Find{Request: "r", Apps: []string{"x"}}, nil) {
			if r, ok := e.(Report); ok {
				return r.Event.(WorkAt).Gateway
			}
		}
		t.Fatal("no answer")
		return false
	}
	count := func(d time.Duration) int {
		n := 0
		for range int(d / (100 * time.Millisecond)) {
			if ask() {
				n++
			}
			w.run(100 * time.Millisecond)
		}
		return n
	}
	require.Equal(t, 3, count(30*time.Second), "expired leases, now and then")
	a.Step(w.now, GatewayWorkload{Level: 9}, nil)
	require.True(t, ask(), "at once after the rise")
	require.Equal(t, 4, count(9*time.Second))
	require.LessOrEqual(t, count(30*time.Second), 4)
}

// After the loss of a supervisor its members may use the whole reserve.
func TestTheReserveIsOpenAfterALoss(t *testing.T) {
	w, _ := victim(t, 1)
	a := w.nodes["a"]
	require.Equal(t, 100-2-5, a.limit())
	for _, s := range a.view.Supervisors {
		if s.ID != "a" {
			w.kill(s.ID)
			break
		}
	}
	w.run(2500 * time.Millisecond)
	require.Equal(t, 100-(len(a.view.Supervisors)-1), a.limit())
	w.run(2 * time.Minute)
	require.Equal(t, 100-(len(a.view.Supervisors)-1)-5, a.limit())
}

// Admission never exceeds equation 1, whoever asks.
func TestAdmissionStopsWhenFull(t *testing.T) {
	w := newWorld(t, 1)
	a := w.start("a", 10, true)
	w.run(time.Second)
	for i := range 40 {
		from := wob.NodeID(testID(i))
		out := a.Step(w.now, Receive{protocols.Message{From: from, Body: protocols.Join{MemberSeq: 1, Capacity: 10}}}, nil)
		kind := out[0].(Send).Body.Kind()
		require.Equal(t, i < 9, kind == "NODE_ACCEPT", "%d: %s", i, kind)
	}
	require.Len(t, a.Snapshot().Members, 9)
	again := a.Step(w.now, Receive{protocols.Message{From: wob.NodeID(testID(0)), Body: protocols.Join{MemberSeq: 2}}}, nil)
	require.Equal(t, protocols.Kind("NODE_ACCEPT"), again[0].(Send).Body.Kind(), "a member is listed once")
	late := a.Step(w.now, Receive{protocols.Message{From: wob.NodeID(testID(0)), Body: protocols.Join{MemberSeq: 1}}}, nil)
	require.Equal(t, protocols.Kind("NODE_REFUSE"), late[0].(Send).Body.Kind(), "the higher sequence wins")
	require.Len(t, a.Snapshot().Members, 9)
}

// A node behind NAT neither founds nor serves, whatever the gateway or a view says; what
// it shows to a supervisor lets that one remove it.
func TestANodeBehindNATNeverServes(t *testing.T) {
	w := newWorld(t, 1)
	p := w.start("p", 100, false)
	p.Step(w.now, GatewayClusters{Answer: "found", Lease: "l"}, nil)
	require.Equal(t, Joining, p.Snapshot().Role)

	w.start("a", 100, true)
	w.until(time.Minute, "joined", func() bool { return p.role == Member })
	next := cloneView(p.view)
	next.Epoch++
	next.Supervisors = append(next.Supervisors, supervisorOf("p", nil, 100, 0))
	p.Step(w.now, Receive{protocols.Message{From: "a", Body: protocols.Commit{View: next}}}, nil)
	require.Equal(t, next, p.view)
	require.Equal(t, Member, p.role)

	a := w.nodes["a"]
	a.out = nil
	a.adopt(next)
	require.Equal(t, []wob.NodeID{"a", "p"}, a.live())
	w.until(20*time.Second, "removed", func() bool { return w.settled() && len(p.view.Supervisors) == 1 })
	require.Equal(t, []wob.NodeID{"p"}, a.Snapshot().Members)
}

// A founder tries a few of its last cluster, and then goes on with that under the next
// epoch; when the gateway knows a higher one, above that.
func TestAFounderGoesOnWithItsLastCluster(t *testing.T) {
	w := newWorld(t, 1)
	w.gw.down = true
	last := protocols.View{Cluster: "last", Epoch: 7}
	for i := range 10 {
		last.Supervisors = append(last.Supervisors, supervisorOf(wob.NodeID(testID(i)), nil, 100, 0))
	}
	cfg := w.start("a", 100, true).cfg
	m, err := New(cfg, w.rng)
	require.NoError(t, err)
	m.Step(w.now, Start{Previous: last}, nil)
	joins, now := 0, w.now
	for out := m.Step(now, GatewayClusters{Answer: "found", Lease: "l"}, nil); !slices.Contains(out, Effect(AskGateway{})); {
		for _, e := range out {
			if s, ok := e.(Send); ok && s.Body.Kind() == "NODE_JOIN" {
				joins++
			}
		}
		at, ok := m.Deadline()
		require.True(t, ok)
		now = at
		out = m.Step(now, Wake{}, nil)
	}
	require.Equal(t, maxLook, joins)
	require.Less(t, now.Sub(w.now), 20*time.Second)

	first := reports(m.Step(now, GatewayClusters{Answer: "found", Lease: "l"}, nil))[0]
	require.Equal(t, protocols.View{Cluster: "last", Epoch: 8, Supervisors: m.view.Supervisors}, first.View)
	require.Len(t, first.View.Supervisors, 1)
	require.Contains(t, m.Step(now, StatusAnswer{Epoch: 9}, nil), Effect(AskGateway{}))
	again := reports(m.Step(now, GatewayClusters{Answer: "found", Lease: "m"}, nil))[0]
	require.Equal(t, uint64(10), again.View.Epoch)
	require.Equal(t, protocols.ClusterID("last"), again.View.Cluster)
}
