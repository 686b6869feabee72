package overlay

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// world is a network of machines and a gateway in virtual time. A dead process resets
// its connections, a cut link drops messages in silence, and messages get lost.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	now   core.Time
	seq   int
	queue events
	nodes map[wob.NodeID]*host
	links map[[2]wob.NodeID]bool // connections
	cuts  map[[2]wob.NodeID]bool
	loss  float64
	lose  func(from, to wob.NodeID, body protocols.Body) bool // this one too; may be nil
	gw    gatewayDouble
	hash  interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
	tweak func(*Config)
	sent  func(from, to wob.NodeID, body protocols.Body) // to is empty for gossip; may be nil
	ids   int
	steps int
}

type host struct {
	*Machine
	boot   uint64
	alive  bool
	hello  protocols.Hello
	topics map[protocols.ClusterID]bool
	events []Event
	last   protocols.View
	sent   map[protocols.Kind]int
}

// gatewayDouble keeps what the real gateway promises: a list of clusters that the caller
// is not alone in, one lease and never to a node behind NAT, or wait; and a
// compare-and-swap on the epoch.
type gatewayDouble struct {
	down     bool
	leases   int
	lease    string
	holder   wob.NodeID // of the lease
	leaseEnd core.Time
	clusters map[protocols.ClusterID]*registered
	workload uint64
	upSince  core.Time // after an outage clusters get time to report before anybody founds
}

func (g *gatewayDouble) set(w *world, down bool) {
	if g.down && !down {
		g.upSince = w.now
	}
	g.down = down
}

type registered struct {
	status Status
	at     core.Time
}

type happening struct {
	at  core.Time
	seq int
	do  func()
}

type events []happening

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].seq, e[j].seq)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(happening)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), nodes: map[wob.NodeID]*host{}, links: map[[2]wob.NodeID]bool{},
		cuts: map[[2]wob.NodeID]bool{}, hash: fnv.New64a(), now: core.Time(time.Hour),
		gw: gatewayDouble{clusters: map[protocols.ClusterID]*registered{}},
	}
}

func pair(a, b wob.NodeID) [2]wob.NodeID { return [2]wob.NodeID{min(a, b), max(a, b)} }

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, happening{w.now.Add(d), w.seq, do})
}

func (w *world) latency() time.Duration {
	return 4*time.Millisecond + time.Duration(w.rng.Int64N(int64(4*time.Millisecond)))
}

func (w *world) start(id wob.NodeID, capacity int, public bool) *host {
	h := w.nodes[id]
	if h == nil {
		h = &host{sent: map[protocols.Kind]int{}}
		w.nodes[id] = h
	}
	h.boot++
	cfg := DefaultConfig()
	cfg.Self, cfg.Boot, cfg.Capacity, cfg.Public = id, h.boot, capacity, public
	cfg.Addrs = []string{"/mem/" + string(id)}
	cfg.NewID = func() string {
		w.ids++
		return fmt.Sprintf("00000000-0000-4000-9000-%012d", w.ids)
	}
	if w.tweak != nil {
		w.tweak(&cfg)
	}
	m, err := New(cfg, rand.New(rand.NewPCG(w.rng.Uint64(), h.boot)))
	require.NoError(w.t, err)
	h.Machine, h.alive, h.topics = m, true, map[protocols.ClusterID]bool{}
	h.hello = protocols.Hello{Version: 1, Agent: "test", Project: "p", Capacity: capacity, Public: public, Addrs: cfg.Addrs}
	w.step(id, Start{Previous: h.last})
	return h
}

func (w *world) kill(id wob.NodeID) {
	w.nodes[id].alive = false
	for _, other := range slices.Sorted(maps.Keys(w.nodes)) {
		if key := pair(id, other); w.links[key] {
			delete(w.links, key)
			w.after(time.Millisecond, func() { w.deliver(other, PeerDown{id}) })
		}
	}
}

// deliver steps a node that is alive when the input arrives.
func (w *world) deliver(id wob.NodeID, in Input) {
	if h := w.nodes[id]; h != nil && h.alive {
		w.step(id, in)
	}
}

func (w *world) step(id wob.NodeID, in Input) {
	h := w.nodes[id]
	w.steps++
	w.trace(id, in)
	for _, e := range h.Step(w.now, in, nil) {
		w.trace(id, e)
		w.carryOut(id, h, e)
	}
	if err := h.CheckInvariants(); err != nil {
		w.t.Fatalf("%s after %T: %v", id, in, err)
	}
}

func (w *world) trace(id wob.NodeID, what any) {
	text, err := json.Marshal(what)
	require.NoError(w.t, err)
	fmt.Fprintf(w.hash, "%d %s %T%s\n", w.now, id, what, text)
}

func (w *world) carryOut(id wob.NodeID, h *host, e Effect) {
	switch e := e.(type) {
	case Send:
		w.note(h, id, e.To, e.Body)
		require.NoError(w.t, e.Body.Validate(), "%s sends a bad body", id)
		w.send(id, e.To, e.Body)
	case Publish:
		w.note(h, id, "", e.Body)
		require.NoError(w.t, e.Body.Validate())
		for _, to := range slices.Sorted(maps.Keys(w.nodes)) {
			if to != id && w.nodes[to].topics[e.Cluster] && w.rng.Float64() >= w.loss && !w.cuts[pair(id, to)] {
				w.after(w.latency(), func() { w.deliver(to, Receive{protocols.Message{From: id, Body: e.Body}}) })
			}
		}
	case Subscribe:
		h.topics[e.Cluster] = true
	case Unsubscribe:
		delete(h.topics, e.Cluster)
	case Connect:
		w.connect(id, e.Peer, true)
	case AskGateway:
		w.after(w.latency(), func() { w.deliver(id, w.gw.answer(w, id)) })
	case ReportStatus:
		boot := h.boot
		w.after(w.latency(), func() {
			answer := w.gw.report(w, e.Status)
			w.after(w.latency(), func() {
				if h.boot == boot {
					w.deliver(id, answer)
				}
			})
		})
	case Report:
		if v, ok := e.Event.(ViewChanged); ok {
			h.last = v.View // as the node remembers it
		}
		h.events = append(h.events, e.Event)
	}
}

// note counts a message that is sent and shows it to who wants to know.
func (w *world) note(h *host, from, to wob.NodeID, body protocols.Body) {
	h.sent[body.Kind()]++
	if w.sent != nil {
		w.sent(from, to, body)
	}
}

// connect opens a connection unless there is one, and says how it went.
func (w *world) connect(a, b wob.NodeID, tell bool) bool {
	key := pair(a, b)
	if w.links[key] {
		if tell {
			w.after(w.latency(), func() { w.deliver(a, PeerUp{b, w.nodes[b].hello}) })
		}
		return true
	}
	if h := w.nodes[b]; h == nil || !h.alive || w.cuts[key] || !h.hello.Public && a != b && !w.links[key] && tell {
		w.after(w.latency(), func() { w.deliver(a, SendFailed{b}) })
		return false
	}
	w.links[key] = true
	w.after(3*time.Millisecond, func() { w.deliver(b, PeerUp{a, w.nodes[a].hello}) })
	w.after(3*time.Millisecond, func() { w.deliver(a, PeerUp{b, w.nodes[b].hello}) })
	return true
}

func (w *world) send(from, to wob.NodeID, body protocols.Body) {
	if !w.links[pair(from, to)] && !w.connect(from, to, false) {
		return
	}
	lost := w.rng.Float64() < w.loss || w.lose != nil && w.lose(from, to, body)
	delay := w.latency()
	w.after(delay, func() {
		if !lost && !w.cuts[pair(from, to)] && w.links[pair(from, to)] {
			w.deliver(to, Receive{protocols.Message{From: from, To: to, Body: body}})
		}
	})
}

// run lets time pass: happenings and deadlines in order.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for w.tick(end) {
	}
	w.now = end
}

// tick does the next thing due before end; false when there is none.
func (w *world) tick(end core.Time) bool {
	next := core.Never
	var who wob.NodeID
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		if h := w.nodes[id]; h.alive {
			if at, ok := h.Deadline(); ok && at < next {
				next, who = at, id
			}
		}
	}
	if len(w.queue) > 0 && w.queue[0].at <= next {
		if w.queue[0].at > end {
			return false
		}
		h := heap.Pop(&w.queue).(happening)
		w.now = max(w.now, h.at)
		h.do()
		return true
	}
	if who == "" || next > end {
		return false
	}
	w.now = max(w.now, next)
	w.step(who, Wake{})
	return true
}

// until runs until ok holds, and fails the test after the limit.
func (w *world) until(limit time.Duration, what string, ok func() bool) {
	w.t.Helper()
	end := w.now.Add(limit)
	for !ok() {
		if !w.tick(end) {
			w.t.Fatalf("after %v still not: %s\n%s", limit, what, w.describe())
		}
	}
}

const clusterKept = 20 * time.Second

func (g *gatewayDouble) answer(w *world, caller wob.NodeID) GatewayClusters {
	if g.down {
		return GatewayClusters{Err: "down"}
	}
	var list []Candidate
	known := false
	for _, id := range slices.Sorted(maps.Keys(g.clusters)) {
		r := g.clusters[id]
		if !slices.ContainsFunc(r.status.View.Supervisors, func(s protocols.Supervisor) bool { return s.ID != caller }) {
			continue // the caller itself, before it was restarted
		}
		known = true
		if w.now.Sub(r.at) < clusterKept {
			list = append(list, Candidate{Cluster: id, Supervisors: r.status.View.Supervisors})
		}
	}
	if len(list) > 0 {
		return GatewayClusters{Answer: "list", Clusters: list}
	}
	held := g.lease != "" && w.now < g.leaseEnd
	if held && g.holder != caller || !w.nodes[caller].hello.Public ||
		known && g.upSince != 0 && w.now.Sub(g.upSince) < 15*time.Second {
		return GatewayClusters{Answer: "wait", Retry: time.Second}
	}
	if !held {
		g.leases++
		g.lease, g.holder, g.leaseEnd = fmt.Sprintf("lease%d", g.leases), caller, w.now.Add(10*time.Second)
	}
	return GatewayClusters{Answer: "found", Lease: g.lease}
}

func (g *gatewayDouble) report(w *world, s Status) StatusAnswer {
	if g.down {
		return StatusAnswer{Err: "down"}
	}
	r := g.clusters[s.View.Cluster]
	if r == nil && s.Lease != "" && (s.Lease != g.lease || w.now >= g.leaseEnd) {
		return StatusAnswer{Workload: g.workload}
	}
	if r != nil {
		held := r.status.View
		if s.View.Epoch < held.Epoch || s.View.Epoch == held.Epoch && !sameIDs(s.View.Supervisors, held.Supervisors) {
			return StatusAnswer{Epoch: held.Epoch, Workload: g.workload}
		}
	}
	if s.Lease != "" && s.Lease == g.lease {
		g.lease = ""
	}
	g.clusters[s.View.Cluster] = &registered{s, w.now}
	return StatusAnswer{Accepted: true, Epoch: s.View.Epoch, Workload: g.workload}
}

// settled reports whether the living nodes form one healthy cluster.
func (w *world) settled() bool {
	var view *protocols.View
	var digest *protocols.Digest
	attached, alive, supervisors := 0, 0, 0
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		h := w.nodes[id]
		if !h.alive || h.role == Idling {
			continue
		}
		alive++
		if h.role != Member && h.role != Supervisor {
			return false
		}
		if view == nil {
			view = &h.view
		}
		if h.view.Cluster != view.Cluster || h.view.Epoch != view.Epoch || !sameIDs(h.view.Supervisors, view.Supervisors) {
			return false
		}
		if h.sup == nil {
			s := w.nodes[h.supervisor]
			if !s.alive || s.sup == nil || s.sup.roster.Get(id) == nil {
				return false
			}
			continue
		}
		supervisors++
		attached += h.sup.roster.Len()
		d := h.sup.index.Digest()
		if digest == nil {
			digest = &d
		}
		if *digest != d || !h.complete() || len(h.live()) != len(view.Supervisors) {
			return false
		}
	}
	return alive > 0 && supervisors == len(view.Supervisors) && attached+supervisors == alive
}

func (w *world) describe() string {
	out := ""
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		h := w.nodes[id]
		if !h.alive {
			out += fmt.Sprintf("%s dead\n", id)
			continue
		}
		out += fmt.Sprintf("%s %s", id, h.role)
		if h.view.Cluster != "" {
			out += fmt.Sprintf(" epoch %d view %v", h.view.Epoch, names(h.view))
		}
		switch {
		case h.sup != nil:
			out += fmt.Sprintf(" live %v members %v", h.live(), h.sup.roster.IDs())
			if h.isPrimary() {
				out += " primary"
			}
		case h.supervisor != "":
			out += fmt.Sprintf(" at %s", h.supervisor)
		}
		out += "\n"
	}
	return out
}

func names(v protocols.View) []wob.NodeID {
	ids := make([]wob.NodeID, len(v.Supervisors))
	for i, s := range v.Supervisors {
		ids[i] = s.ID
	}
	return ids
}
