package work

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// bench connects two machines directly: everything they ask for is answered at once, with
// as little work as possible, so that what is measured is the machines.
type bench struct {
	m      map[wob.NodeID]*Machine
	queue  []func()
	now    core.Time
	cycles int
}

// BenchmarkCycle runs full cycles without work in them: split, store, transfer, compute,
// finish, store, merge, store, acknowledge, between a holder, an asker and one supervisor.
func BenchmarkCycle(b *testing.B) {
	world := newWorld(1)
	x := &bench{m: map[wob.NodeID]*Machine{}, now: core.Time(time.Second)}
	for _, n := range []wob.NodeID{"holder", "asker", "keeper"} {
		cfg := DefaultConfig()
		cfg.Self, cfg.NewID, cfg.Slots, cfg.Boot = n, world.newID, 1, 1
		if n == "keeper" {
			cfg.Slots = 0
		}
		m, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			b.Fatal(err)
		}
		x.m[n] = m
	}
	for _, n := range []wob.NodeID{"holder", "asker", "keeper"} {
		x.step(n, View{Live: []wob.NodeID{"keeper"}, Joined: true, Supervisor: n == "keeper"})
		if n != "keeper" {
			x.step(n, Apps{Installed: []App{{Name: "range", Version: "1", Checkpoint: time.Hour}}})
		}
		x.drain()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for x.cycles < b.N {
		if len(x.queue) == 0 {
			x.wake()
		}
		x.drainUntil(b.N)
	}
	b.StopTimer()
	for n, m := range x.m {
		if err := m.CheckInvariants(); err != nil {
			b.Fatalf("%s: %v", n, err)
		}
	}
}

func (x *bench) wake() {
	for _, n := range []wob.NodeID{"holder", "asker", "keeper"} {
		if at, ok := x.m[n].Deadline(); ok {
			x.now = max(x.now, at)
			x.step(n, Wake{})
		}
	}
}

func (x *bench) drain() { x.drainUntil(1 << 60) }

func (x *bench) drainUntil(cycles int) {
	for len(x.queue) > 0 && x.cycles < cycles {
		f := x.queue[0]
		x.queue = x.queue[1:]
		f()
	}
}

func (x *bench) step(n wob.NodeID, in Input) {
	x.now += core.Time(time.Microsecond)
	out := x.m[n].Step(x.now, in, nil)
	for _, e := range out {
		x.effect(n, e)
	}
}

func (x *bench) later(n wob.NodeID, in Input) {
	x.queue = append(x.queue, func() { x.step(n, in) })
}

func (x *bench) effect(n wob.NodeID, e Effect) {
	switch e := e.(type) {
	case Send:
		x.later(e.To, Receive{Msg: protocols.Message{From: n, To: e.To, Body: e.Body}})
	case Store:
		x.later(n, Stored{Token: e.Token})
	case StartProc:
		x.later(n, AppUp{Proc: e.Proc, Gen: e.Gen, Start: appapi.StartParams{Protocol: 1, App: "range", Finish: appapi.FinishCheckpoint}})
	case Call:
		x.answer(n, e)
	case Find:
		in := WorkAt{Request: e.Request, Busy: true}
		if n == "asker" && len(x.m["holder"].list) > 0 {
			in.Places = []protocols.WorkAt{{Holder: "holder", WOB: x.m["holder"].list[0].id()}}
		} else if n == "holder" {
			in.Gateway = true
		}
		x.later(n, in)
	case TakeWork:
		x.later(n, GatewayWork{Token: e.Token, WOB: &wob.WOB{
			ID: "00000000-0000-4000-8000-000000000000", App: "range", State: wob.Created, Boundary: "[0,1]",
			Effort: wob.Effort{Total: 1e12, Remaining: 1e12},
		}})
	case RenewLease:
		x.later(n, GatewayAnswer{Token: e.Token, Status: 200})
	case PutFailsafe:
		x.later(n, GatewayAnswer{Token: e.Token, Status: 200})
	case WorkAvailable:
		x.later("asker", WorkloadRose{})
	case Locate:
		x.later(n, Located{Token: e.Token, WOB: e.WOB, Answer: protocols.Unknown})
	case Report:
		if _, ok := e.Event.(MergedChild); ok {
			x.cycles++
		}
	}
}

func (x *bench) answer(n wob.NodeID, e Call) {
	reply := AppReply{Proc: e.Proc, Gen: e.Gen, Call: e.Call, Result: `{}`}
	switch e.Method {
	case appapi.OnCompute:
		if n == "holder" {
			return // it computes on
		}
		reply.Result = `{"done":true}`
	case appapi.OnCheckpoint:
		reply.Result = `{"checkpoint":{"next":1},"result":[1,2],"effort":{"total":1000000000000,"remaining":999999999999}}`
	case appapi.OnWOBRequest:
		reply.Result = `{"offer":{"id":"1","effort":1}}`
	case appapi.OnWOBOfferAck:
		reply.Result = `{"child":{"boundary":[0,1],"checkpoint":null,"effort":{"total":1,"remaining":1}}}`
	}
	x.later(n, reply)
}
