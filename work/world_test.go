package work

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// world runs machines in virtual time: a network that loses, repeats and delays, an
// idealised overlay (one index), disks that forget what was not synced, a gateway and
// applications that follow the protocol.
type world struct {
	now    core.Time
	events eventHeap
	seq    uint64
	rng    *rand.Rand
	ids    uint64
	nodes  map[wob.NodeID]*node
	order  []wob.NodeID
	index  map[wob.ID]*line
	gate   *gateway
	hash   uint64

	loss, dup int                // percent of messages
	hostile   bool               // somebody sends WOBs that make no sense
	loses     bool               // a crash may lose what was not synced
	appCrash  map[string]int     // how often the application of a node ends in a method
	appSays   map[string]wob.Raw // what the application of a node answers to a method, once
	crashes   int                // per mille of application calls that end the process instead
	cut       map[wob.NodeID]bool
	app       App
	broken    string // an application that ends before it calls Start
	other     *App   // installed beside app
	finish    string
	minSplit  int
	lostSays  string // what applications answer to OnWOBChildLost; empty: unknown method
	watch     func(wob.NodeID, Effect)
	drop      func(from, to wob.NodeID, b protocols.Body) bool
	onEvent   func(wob.NodeID, Event)
	err       error
}

type event struct {
	at  core.Time
	seq uint64
	do  func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].seq, h[j].seq)) < 0
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// line is the newest entry of a WOB in the index.
type line struct {
	protocols.Entry
}

type node struct {
	w          *world
	id         wob.NodeID
	m          *Machine
	cfg        Config
	up         bool
	boot       uint64
	supervisor bool
	speed      float64 // units per second
	disk       disk
	procs      map[int]*appProc
	wakeAt     core.Time
}

func newWorld(seed uint64) *world {
	return &world{
		rng: rand.New(rand.NewPCG(seed, 7)), nodes: map[wob.NodeID]*node{}, index: map[wob.ID]*line{},
		cut: map[wob.NodeID]bool{}, appCrash: map[string]int{}, appSays: map[string]wob.Raw{}, minSplit: 2, hash: 14695981039346656037,
		app: App{Name: "range", Version: "1.0.0", Threads: 1, Checkpoint: 5 * time.Second}, gate: newGateway(),
		finish: appapi.FinishCheckpoint, now: core.Time(time.Second),
	}
}

func (w *world) newID() wob.ID {
	w.ids++
	return wob.ID(fmt.Sprintf("%08x-0000-4000-8000-%012x", w.ids, w.ids))
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now.Add(d), w.seq, do})
}

// run plays events until done says so or the time is over.
func (w *world) run(d time.Duration, done func() bool) bool {
	end := w.now.Add(d)
	for w.err == nil {
		if done != nil && done() {
			return true
		}
		if len(w.events) == 0 || w.events[0].at > end {
			w.now = end
			return done == nil
		}
		e := heap.Pop(&w.events).(event)
		w.now = max(w.now, e.at)
		e.do()
	}
	return false
}

func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %v: "+format, append([]any{time.Duration(w.now)}, args...)...)
	}
}

func (w *world) add(id wob.NodeID, slots int, supervisor bool, change func(*Config)) *node {
	cfg := DefaultConfig()
	cfg.Self, cfg.NewID, cfg.Slots = id, w.newID, slots
	cfg.LostAfter = 2 * time.Minute
	cfg.Replicas = 2
	if change != nil {
		change(&cfg)
	}
	n := &node{w: w, id: id, cfg: cfg, supervisor: supervisor, speed: 1000, disk: newDisk()}
	w.nodes[id] = n
	w.order = append(w.order, id)
	n.start()
	return n
}

func (w *world) installed() Apps {
	if w.other == nil {
		return Apps{Installed: []App{w.app}}
	}
	return Apps{Installed: []App{*w.other, w.app}}
}

func (w *world) known(app string) App {
	if w.other != nil && w.other.Name == app {
		return *w.other
	}
	return w.app
}

func (n *node) start() {
	n.boot++
	n.cfg.Boot = n.boot
	m, err := New(n.cfg, rand.New(rand.NewPCG(n.w.rng.Uint64(), n.boot)))
	if err != nil {
		n.w.fail("%v", err)
		return
	}
	n.m, n.up, n.procs, n.wakeAt = m, true, map[int]*appProc{}, core.Never
	n.step(Start{Held: n.disk.crash(n.w.loses && n.w.rng.IntN(2) == 0)})
	if n.cfg.Slots > 0 {
		n.step(n.w.installed())
	}
	n.w.viewChanged()
	n.w.after(time.Minute, n.purge)
}

// purge is what the overlay does in the end: it notices what a node does not hold any more.
func (n *node) purge() {
	for _, id := range sortedKeys(n.w.index) {
		if l := n.w.index[id]; l.Inc.Holder == n.id && !l.Gone && n.up && n.m.recs[id] == nil {
			delete(n.w.index, id)
		}
	}
}

// crash ends a node at once; others notice a little later.
func (n *node) crash() {
	if !n.up {
		return
	}
	for _, p := range n.procs {
		p.dead = true
	}
	n.up = false
	n.boot++
	w := n.w
	w.after(300*time.Millisecond, func() {
		w.viewChanged()
		w.hint(n.id)
	})
}

// leaves ends a node in peace: everybody knows.
func (n *node) leaves() {
	boot := n.boot
	n.w.after(10*time.Millisecond, func() {
		if n.up && n.boot == boot {
			n.crash()
		}
	})
}

func (w *world) reachable(a, b wob.NodeID) bool {
	return a == b || !w.cut[a] && !w.cut[b] && w.nodes[b] != nil && w.nodes[b].up
}

func (w *world) hint(gone wob.NodeID) {
	for _, id := range w.order {
		o := w.nodes[id]
		if !o.up || o.id == gone || w.cut[id] {
			continue
		}
		o.step(PeerDown{Peer: gone})
		var lost []protocols.Entry
		for _, wid := range sortedKeys(w.index) {
			e := w.index[wid].Entry
			if p := w.index[e.Parent]; e.Inc.Holder == gone && !e.Gone && p != nil && p.Inc.Holder == o.id {
				e.Stale = true
				lost = append(lost, e)
			}
		}
		if len(lost) > 0 {
			o.step(ChildrenLost{Entries: lost})
		}
	}
}

func (w *world) viewChanged() {
	var live []wob.NodeID
	for _, id := range w.order {
		if n := w.nodes[id]; n.up && n.supervisor && !w.cut[id] {
			live = append(live, id)
		}
	}
	for _, id := range w.order {
		if n := w.nodes[id]; n.up {
			v := View{Live: live, Joined: len(live) > 0, Supervisor: n.supervisor}
			if w.cut[id] {
				v = View{Supervisor: n.supervisor}
			}
			n.step(v)
		}
	}
}

// later steps a node unless it was restarted meanwhile.
func (n *node) later(d time.Duration, in Input) {
	boot := n.boot
	n.w.after(d, func() {
		if n.up && n.boot == boot {
			n.step(in)
		}
	})
}

func (n *node) step(in Input) {
	if !n.up || n.w.err != nil {
		return
	}
	out := n.m.Step(n.w.now, in, nil)
	if err := n.m.CheckInvariants(); err != nil {
		n.w.fail("%s after %T: %v", n.id, in, err)
		return
	}
	for _, e := range out {
		n.w.trace(n.id, e)
		handleEffect(n, e)
	}
	if at, ok := n.m.Deadline(); ok && at < n.wakeAt {
		n.wakeAt = at
		boot := n.boot
		n.w.after(max(at.Sub(n.w.now), 0), func() {
			if n.up && n.boot == boot && n.wakeAt == at {
				n.wakeAt = core.Never
				n.step(Wake{})
			}
		})
	}
}

func (w *world) trace(id wob.NodeID, e Effect) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %s %T", w.hash, w.now, id, e)
	switch e := e.(type) {
	case Send:
		fmt.Fprintf(h, "%s %T", e.To, e.Body)
	case Report:
		fmt.Fprintf(h, "%v", e.Event)
		n := w.nodes[id]
		if _, left := e.Event.(Left); left {
			n.leaves()
		}
		if w.onEvent != nil {
			w.onEvent(id, e.Event)
		}
	case Call:
		fmt.Fprintf(h, "%s %d %d", e.Method, e.Proc, e.Call)
	}
	w.hash = h.Sum64()
	if w.watch != nil {
		w.watch(id, e)
	}
}

func (w *world) delay() time.Duration {
	return time.Millisecond + time.Duration(w.rng.Int64N(int64(4*time.Millisecond)))
}

func handleEffect(n *node, e Effect) {
	w := n.w
	switch e := e.(type) {
	case Send:
		n.send(e)
	case Store:
		newer := n.disk.store(e)
		d := 100 * time.Microsecond
		if e.Sync {
			d = 2 * time.Millisecond
		}
		n.later(d, Stored{Token: e.Token, Newer: newer})
	case Load:
		b, gone := n.disk.load(e.WOB)
		n.later(100*time.Microsecond, Loaded{Token: e.Token, WOB: b, Gone: gone})
	case TakeWork, RenewLease, ReleaseLease, PutResult, PutFailsafe:
		w.gate.handle(n, e)
	case Hold, Release, Find, Locate, WorkAvailable:
		n.overlay(e)
	case StartProc, Call, Notify, Answer, StopProc, KillProc:
		n.app(e)
	case Idle, Report:
	default:
		w.fail("%s: no driver for %T", n.id, e)
	}
}

func (n *node) send(e Send) {
	w := n.w
	if err := e.Body.Validate(); err != nil {
		w.fail("%s sends %s: %v", n.id, e.Body.Kind(), err)
		return
	}
	if w.drop != nil && w.drop(n.id, e.To, e.Body) {
		return
	}
	if !w.reachable(n.id, e.To) {
		n.later(50*time.Millisecond, SendFailed{Peer: e.To, Kind: e.Body.Kind()})
		return
	}
	times := 1
	if n.id != e.To && w.rng.IntN(100) < w.loss {
		times = 0
	} else if w.rng.IntN(100) < w.dup {
		times = 2
	}
	for range times {
		w.after(w.delay(), func() {
			if to := w.nodes[e.To]; to.up && w.reachable(n.id, e.To) {
				to.step(Receive{Msg: protocols.Message{From: n.id, To: e.To, Body: e.Body}})
			}
		})
	}
}

// overlay is one index that everybody who is not cut off shares.
func (n *node) overlay(e Effect) {
	w := n.w
	switch e := e.(type) {
	case Hold:
		if w.cut[n.id] {
			return
		}
		l := w.index[e.Entry.ID]
		switch {
		case l == nil:
			w.index[e.Entry.ID] = &line{e.Entry}
		case l.Gone && !l.Inc.Less(e.Entry.Inc):
			n.later(5*time.Millisecond, NewerKnown{Entry: l.Entry})
		case e.Entry.Inc.Less(l.Inc):
			n.later(5*time.Millisecond, NewerKnown{Entry: l.Entry})
		default:
			if old := l.Inc.Holder; old != e.Entry.Inc.Holder && w.reachable(n.id, old) {
				w.nodes[old].later(5*time.Millisecond, NewerKnown(e))
			}
			l.Entry = e.Entry
		}
	case Release:
		l := w.index[e.Entry.ID]
		if w.cut[n.id] || l == nil && !e.Gone {
			return
		}
		if l == nil {
			l = &line{}
			w.index[e.Entry.ID] = l
		}
		if e.Gone && !e.Entry.Inc.Less(l.Inc) {
			l.Entry = e.Entry
			for _, id := range w.order {
				w.nodes[id].later(5*time.Millisecond, EntryGone{Entry: e.Entry})
			}
		} else if l.Inc == e.Entry.Inc {
			delete(w.index, e.Entry.ID)
		}
	case Locate:
		d := w.delay() * 2
		if w.cut[n.id] {
			n.later(d, Located{Token: e.Token, WOB: e.WOB, Answer: protocols.Unknown})
			return
		}
		boot := n.boot
		w.after(d, func() {
			in := Located{Token: e.Token, WOB: e.WOB, Answer: protocols.Absent}
			if l := w.index[e.WOB]; l != nil {
				in.Answer, in.Entry = protocols.Found, l.Entry
				holder := w.nodes[l.Inc.Holder]
				in.Entry.Stale = !l.Gone && (holder == nil || !holder.up || w.cut[l.Inc.Holder])
			}
			if n.boot == boot {
				n.step(in)
			}
		})
	case Find:
		boot := n.boot
		w.after(w.delay()*2, func() {
			if n.boot == boot {
				n.step(w.workAt(n, e))
			}
		})
	case WorkAvailable:
		w.rose()
	}
}

func (w *world) rose() {
	for _, id := range w.order {
		w.nodes[id].later(w.delay(), WorkloadRose{})
	}
}

func (w *world) workAt(n *node, f Find) WorkAt {
	in := WorkAt{Request: f.Request}
	if w.cut[n.id] {
		return in
	}
	for _, id := range sortedKeys(w.index) {
		l := w.index[id]
		if l.Gone || l.Inc.Holder == n.id || !w.reachable(n.id, l.Inc.Holder) {
			continue
		}
		if l.State == wob.Running || l.State == wob.Suspended || l.State == wob.Waiting {
			in.Busy = true
			in.Places = append(in.Places, protocols.WorkAt{Holder: l.Inc.Holder, WOB: id, Remaining: l.Remaining})
		}
	}
	slices.SortStableFunc(in.Places, func(a, b protocols.WorkAt) int { return cmp.Compare(b.Remaining, a.Remaining) })
	in.Places = slices.DeleteFunc(in.Places, func(p protocols.WorkAt) bool { return slices.Contains(f.Avoid, p.Holder) })
	in.Places = in.Places[:min(len(in.Places), 8)]
	in.Gateway = w.gate.available(w.now)
	return in
}

var errWrong = errors.New("wrong result")
