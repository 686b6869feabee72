package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// stopWait is how long the protocol gives a process to exit after its standard input was closed.
const stopWait = 5 * time.Second

// stage turns the manager's events into calls that return answers.
type stage struct {
	ctx context.Context
	cmd app.Command
	m   *app.Manager

	mu    sync.Mutex // guards what follows
	actor map[int]*actor
	next  int
	junk  int
	start appapi.StartParams
}

func newStage(ctx context.Context, c app.Command, cfg app.Config) *stage {
	s := &stage{ctx: ctx, cmd: c, actor: make(map[int]*actor)}
	cfg.StopWait = stopWait
	s.m = app.NewManager(cfg, s.event)
	return s
}

func (s *stage) close() { s.m.Close() }

// clear kills what a step has left behind, so that it takes no time from the next one.
func (s *stage) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for proc := range s.actor {
		s.m.Kill(proc, 1)
	}
}

// actor is one process of the application.
type actor struct {
	s        *stage
	proc     int
	up, down chan struct{} // closed
	end      app.Down      // valid after down

	mu       sync.Mutex // guards what follows
	next     uint64
	calls    map[uint64]chan app.Reply
	finished wob.Raw // of WOBFinished
	called   bool
}

// event routes an event of the manager.
func (s *stage) event(e app.Event) {
	find := func(proc int) *actor {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.actor[proc]
	}
	switch e := e.(type) {
	case app.Up:
		s.mu.Lock()
		s.start = e.Start
		s.mu.Unlock()
		close(find(e.Proc).up)
	case app.Down:
		a := find(e.Proc)
		s.mu.Lock()
		s.junk += e.Junk
		s.mu.Unlock()
		a.end = e
		close(a.down)
	case app.Reply:
		a := find(e.Proc)
		a.mu.Lock()
		ch := a.calls[e.Call]
		delete(a.calls, e.Call)
		a.mu.Unlock()
		ch <- e
	case app.Request:
		find(e.Proc).asked(e)
	case app.Note:
	}
}

// asked answers the application's own calls as a middleware without any network would.
func (a *actor) asked(e app.Request) {
	var rerr *app.RPCError
	switch e.Method {
	case appapi.WOBFinished:
		var p appapi.FinishedParams
		if err := json.Unmarshal(e.Params, &p); err != nil {
			rerr = &app.RPCError{Code: appapi.CodeInvalidParams, Message: err.Error()}
			break
		}
		a.mu.Lock()
		a.finished, a.called = p.Result, true
		a.mu.Unlock()
	case appapi.WOBMsg:
		rerr = &app.RPCError{Code: appapi.CodeUndeliverable, Message: "not deliverable: this is a check on one machine"}
	default:
		rerr = &app.RPCError{Code: appapi.CodeUnknownWOB, Message: "unknown: this is a check on one machine"}
	}
	a.s.m.Answer(e.Proc, e.Gen, e.ID, nil, rerr)
}

// launch starts a process and waits until it has called Start.
func (s *stage) launch() (*actor, error) {
	a := &actor{s: s, up: make(chan struct{}), down: make(chan struct{}), calls: make(map[uint64]chan app.Reply)}
	s.mu.Lock()
	a.proc = s.next
	s.next++
	s.actor[a.proc] = a
	s.mu.Unlock()
	s.m.StartProc(a.proc, 1, s.cmd)
	select {
	case <-a.up:
		return a, nil
	case <-a.down:
		return nil, a.fault()
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// fault says why the process is gone.
func (a *actor) fault() error {
	text := "the application is gone"
	if a.end.Err != nil {
		text = a.end.Err.Error()
	}
	var f *app.Fault
	if errors.As(a.end.Err, &f) && errors.Is(f, app.ErrExited) {
		text += ". A process of the application serves until its standard input ends"
	}
	if a.end.Log != "" {
		text += "; its log ends:\n" + a.end.Log
	}
	return errors.New(text)
}

// send makes a call whose answer is awaited later.
func (a *actor) send(method string, params any) <-chan app.Reply {
	ch := make(chan app.Reply, 1)
	a.mu.Lock()
	a.next++
	id := a.next
	a.calls[id] = ch
	a.mu.Unlock()
	a.s.m.Call(a.proc, 1, id, method, params)
	return ch
}

// await waits for the answer to a call.
func (a *actor) await(ch <-chan app.Reply, result any) error {
	var rep app.Reply
	select {
	case rep = <-ch:
	case <-a.down:
		select {
		case rep = <-ch: // answered before it went
		default:
			return a.fault()
		}
	case <-a.s.ctx.Done():
		return a.s.ctx.Err()
	}
	if rep.Err != nil {
		return rep.Err
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(rep.Result, result)
}

// call makes a call and waits for the answer.
func (a *actor) call(method string, params, result any) error {
	err := a.await(a.send(method, params), result)
	var rpc *app.RPCError
	switch {
	case errors.As(err, &rpc) && rpc.Code == appapi.CodeUnknownMethod:
		return fmt.Errorf("the application does not implement %s: %w", method, err)
	case errors.As(err, &rpc):
		return fmt.Errorf("%s failed: %w", method, err)
	}
	return err
}

// init gives the process a WOB.
func (a *actor) init(w appapi.WOB) error {
	return a.call(appapi.OnWOBInit, appapi.WOBParams{WOB: w}, nil)
}

// pack asks for a checkpoint and looks at it.
func (a *actor) pack(method string) (appapi.Packed, error) {
	var p appapi.Packed
	if err := a.call(method, nil, &p); err != nil {
		return p, err
	}
	e := p.Effort
	if e.Total < 0 || e.Remaining < 0 || e.Remaining > e.Total {
		return p, fmt.Errorf("%s says effort total %g, remaining %g: remaining is between 0 and total", method, e.Total, e.Remaining)
	}
	for name, v := range map[string]int{"checkpoint": len(p.Checkpoint), "result": len(p.Result), "meta": len(p.Meta)} {
		if v > appapi.MaxWOB {
			return p, fmt.Errorf("the %s of %s has %d bytes: an encoded WOB has at most 8 MiB, larger data the application fetches itself", name, method, v)
		}
	}
	return p, nil
}

// suspend asks an open OnCompute to stop; done is what it answered.
func (a *actor) suspend(compute <-chan app.Reply) (done bool, err error) {
	a.s.m.Notify(a.proc, 1, appapi.Suspend, nil)
	var r appapi.ComputeResult
	err = a.await(compute, &r)
	return r.Done, err
}

// quit ends the process the way a node does, and checks that it obeys.
func (a *actor) quit() error {
	begin := time.Now()
	a.s.m.StopProc(a.proc, 1)
	select {
	case <-a.down:
	case <-a.s.ctx.Done():
		return a.s.ctx.Err()
	}
	if time.Since(begin) >= stopWait {
		return fmt.Errorf("the application did not exit within %v after its standard input was closed: end of file there means exit", stopWait)
	}
	return nil
}

// newWOB returns a WOB as it is injected or born.
func (s *stage) newWOB(boundary wob.Raw, parent wob.ID) appapi.WOB {
	s.mu.Lock()
	defer s.mu.Unlock()
	return appapi.WOB{ID: wob.ID(uuid.NewString()), App: s.start.App, Parent: parent, Epoch: 1, State: wob.Running,
		Boundary: boundary, Children: []appapi.Child{}}
}

// with returns w with a packed state, as it is stored at a checkpoint.
func with(w appapi.WOB, p appapi.Packed) appapi.WOB {
	w.Version++
	w.Checkpoint, w.Result, w.Meta, w.Effort = p.Checkpoint, p.Result, p.Meta, p.Effort
	return w
}
