package overlay

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

func TestNewRefusesABadConfiguration(t *testing.T) {
	_, err := New(DefaultConfig(), rand.New(rand.NewPCG(1, 1)))
	require.ErrorIs(t, err, ErrConfig)
}

// Every kind of message of the overlay has a handler, and no other kind has one; so do
// the deadlines and the inputs.
func TestEveryMessageHasOneOwner(t *testing.T) {
	for _, d := range protocols.Catalogue() {
		p := d.Kind.Prefix()
		want := (p == protocols.PrefixNode || p == protocols.PrefixCL) && d.Kind != "NODE_HELLO" // the handshake is the link's
		require.Equal(t, want, handlers[d.Kind] != nil, "%s", d.Kind)
	}
	for i := range timerCount {
		require.NotNil(t, alarms[i], "timer %d", i)
	}
	require.Len(t, inputs, 16)
}

// From the moment a supervisor is killed to the moment another one lists the member.
func TestAMemberIsServedSoonAfterAKill(t *testing.T) {
	for seed := range uint64(30) {
		w, _ := victim(t, seed)
		member := w.nodes["d"]
		w.kill(member.supervisor)
		w.until(4*time.Second, "served again", func() bool {
			s := w.nodes[member.supervisor]
			return (member.role == Member && s.alive && s.sup != nil && s.sup.roster.Get("d") != nil) || member.role == Supervisor
		})
	}
}

// Members that die together with their supervisor are noticed by the others.
func TestWhatDiesWithItsSupervisorIsOutdated(t *testing.T) {
	w, _ := victim(t, 1)
	s := w.nodes["e"].supervisor
	w.step("d", Hold{func() protocols.Entry {
		e := running(9)
		e.Parent = testID(1)
		return e
	}()})
	w.run(time.Second)
	w.kill(s)
	w.kill("e")
	w.run(30 * time.Second)
	for _, id := range []wob.NodeID{"b", "c"} {
		if h := w.nodes[id]; h.alive {
			e, answer := h.Lookup(testID(2))
			require.Equal(t, protocols.Found, answer)
			require.True(t, e.Stale, "at %s", id)
			e, _ = h.Lookup(testID(9))
			require.False(t, e.Stale, "the survivor's, at %s", id)
		}
	}
	require.True(t, w.settled(), w.describe())
}

// Outdated entries are forgotten after OutdatedFor, tombstones after GoneFor, on every
// supervisor, without any repair bringing them back.
func TestOldNewsIsForgotten(t *testing.T) {
	w, _ := victim(t, 1)
	w.step("d", Release{Entry: running(3), Gone: true})
	w.kill("e")
	w.run(31 * time.Minute)
	for _, id := range w.nodes["a"].live() {
		require.Equal(t, []wob.ID{testID(3)}, w.nodes[id].sup.index.IDs(), "at %s", id)
	}
	w.run(30 * time.Minute)
	syncs := 0
	for _, id := range w.nodes["a"].live() {
		require.Empty(t, w.nodes[id].sup.index.IDs(), "at %s", id)
		syncs += w.nodes[id].sent["CL_SYNC"]
	}
	require.Less(t, syncs, 6, "after the elections nothing was left to repair")
}

// Lost gossip is repaired by the gap or, if it was the last, by the digests.
func TestLostGossipIsRepaired(t *testing.T) {
	w, _ := victim(t, 1)
	topics := w.nodes["b"].topics
	w.nodes["b"].topics = map[protocols.ClusterID]bool{}
	w.step("a", Hold{running(50)})
	w.run(10 * time.Millisecond)
	require.NotEqual(t, w.nodes["a"].Snapshot().Digest, w.nodes["b"].Snapshot().Digest)
	w.nodes["b"].topics = topics
	w.until(3*3*time.Second, "repaired by the digest", w.settled)

	w.nodes["b"].topics = map[protocols.ClusterID]bool{}
	w.step("a", Hold{running(51)})
	w.nodes["b"].topics = topics
	w.step("a", Hold{running(52)})
	w.until(2500*time.Millisecond, "repaired by the gap", func() bool {
		_, answer := w.nodes["b"].Lookup(testID(51))
		return answer == protocols.Found
	})
}

// A newly elected supervisor copies an index of many parts, and bodies keep to their limits.
func TestALargeIndexIsCopiedInParts(t *testing.T) {
	w, _ := victim(t, 1)
	for i := range 4000 {
		w.nodes["a"].Step(w.now, Hold{running(1000 + i)}, nil) // its gossip is lost
	}
	w.now = w.now.Add(gossipEvery)
	require.NotEmpty(t, w.nodes["a"].Step(w.now, Wake{}, nil)) // and so is what was held back
	for _, id := range []wob.NodeID{"a", "b", "c"} {
		w.nodes[id].sent["CL_SYNC"] = 0
	}
	w.until(20*time.Second, "the same index everywhere", w.settled)
	require.Greater(t, w.nodes["a"].sent["CL_SYNC"], 2)
}

func TestPartsKeepToTheirLimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var list []protocols.Entry
	for i := range 3000 {
		e := running(i)
		e.App = fmt.Sprintf("<&>\"\\%c%d", rune(rng.IntN(0x3000)+1), i)
		e.Remaining, e.Speed = rng.Float64()*1e-7, rng.ExpFloat64()*1e300
		for range rng.IntN(16) {
			e.Addrs = append(e.Addrs, "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
		}
		e.Inc = wob.Incarnation{Epoch: rng.Uint64(), Moves: rng.Uint64(), Holder: "n"}
		e.Seq, e.Version = rng.Uint64(), rng.Uint64()
		list = append(list, e)
	}
	var joined []protocols.Entry
	for part := range parts(list, maxGossip, 1000) {
		data, err := json.Marshal(protocols.Index{Cluster: "c", Origin: "n", Entries: part})
		require.NoError(t, err)
		d, _ := protocols.Lookup("CL_INDEX")
		require.Less(t, len(data), d.Rules.MaxBytes)
		joined = append(joined, part...)
	}
	require.Equal(t, list, joined)
}

// A single change goes out at once; a burst goes together.
func TestUpdatesAreBatched(t *testing.T) {
	w, _ := victim(t, 1)
	d := w.nodes["d"]
	d.sent["CL_UPDATE"] = 0
	w.step("d", Hold{running(20)})
	require.Equal(t, 1, d.sent["CL_UPDATE"])
	for i := range 50 {
		w.step("d", Hold{running(21 + i)})
	}
	require.Equal(t, 1, d.sent["CL_UPDATE"])
	w.run(2 * batch)
	require.Equal(t, 2, d.sent["CL_UPDATE"])
	_, answer := w.nodes[d.supervisor].Lookup(testID(70))
	require.Equal(t, protocols.Found, answer)
}

func TestALateAcceptIsTakenBack(t *testing.T) {
	w, _ := victim(t, 1)
	d := w.nodes["d"]
	other := wob.NodeID("b")
	if d.supervisor == "b" {
		other = "c"
	}
	out := d.Step(w.now, Receive{protocols.Message{From: other, Body: protocols.Accept{MemberSeq: 1, View: d.view}}}, nil)
	require.Equal(t, []Effect{Send{To: other, Addrs: out[0].(Send).Addrs, Body: protocols.Leave{MemberSeq: 1, Reason: "joined elsewhere"}}}, out)
	require.Equal(t, Member, d.role)
}

func TestViewsOfOneEpochAreOrdered(t *testing.T) {
	a := protocols.View{Epoch: 2, Supervisors: []protocols.Supervisor{{ID: "a"}, {ID: "b"}}}
	b := protocols.View{Epoch: 2, Supervisors: []protocols.Supervisor{{ID: "a"}, {ID: "c"}}}
	require.True(t, newer(a, b))
	require.False(t, newer(b, a))
	require.False(t, newer(a, a))
	b.Epoch = 3
	require.True(t, newer(b, a))
}

// At most one view is promised from one supervisor and epoch while the one it was
// promised to lives.
func TestAPromiseIsKept(t *testing.T) {
	w, _ := victim(t, 1)
	c := w.nodes["c"]
	base := c.view
	ask := func(from wob.NodeID, drop wob.NodeID) bool {
		next := protocols.View{Cluster: base.Cluster, Epoch: base.Epoch + 1}
		for _, s := range base.Supervisors {
			if s.ID != drop {
				next.Supervisors = append(next.Supervisors, s)
			}
		}
		out := c.Step(w.now, Receive{protocols.Message{From: from, Body: protocols.Prepare{Base: base.Epoch, Next: next}}}, nil)
		return out[len(out)-1].(Send).Body.(protocols.Prepared).OK
	}
	first, second := base.Supervisors[0].ID, base.Supervisors[1].ID
	if second == "c" {
		second = base.Supervisors[2].ID
	}
	require.False(t, ask(second, first), "the first live one alone proposes")
	require.True(t, ask(first, second))
	require.True(t, ask(first, second), "asked again")
	require.False(t, ask(first, "nobody"), "another view for the same epoch")
	c.setDown(first, true)
	c.out = nil
	require.Equal(t, second, c.primary())
	require.True(t, ask(second, first), "the one it was promised to is dead")
	c.setDown(first, false)
	c.out = nil
	require.False(t, ask(first, second), "promised to a living one")
}

func TestPausesDoubleWithJitter(t *testing.T) {
	w := newWorld(t, 1)
	w.gw.down = true
	h := w.start("a", 100, true)
	var pauses []time.Duration
	for range 9 {
		w.until(time.Minute, "a pause", func() bool { return h.timers.Armed(int(timerRetry)) })
		pauses = append(pauses, h.timers[timerRetry].Sub(w.now))
		w.until(time.Minute, "another try", func() bool { return !h.timers.Armed(int(timerRetry)) })
	}
	want := 500 * time.Millisecond
	for i, p := range pauses {
		require.InDelta(t, float64(min(want<<i, 30*time.Second)), float64(p), float64(min(want<<i, 30*time.Second))/3.9, "pause %d", i)
	}
	require.False(t, slices.IsSorted(pauses[6:]) && pauses[6] == pauses[8])
}

// An early wake does nothing.
func TestEarlyWakesAreNoOps(t *testing.T) {
	w, _ := victim(t, 1)
	for _, h := range w.nodes {
		at, ok := h.Deadline()
		require.True(t, ok)
		require.Empty(t, h.Step(w.now, Wake{}, nil))
		again, _ := h.Deadline()
		require.Equal(t, at, again)
		require.NotEqual(t, core.Never, at)
	}
}
