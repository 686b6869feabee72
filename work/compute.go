package work

import (
	"errors"
	"fmt"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// Why an application is stopped although its answers are well-formed.
var (
	errStopped  = errors.New("OnCompute answered done:false without having been asked to stop")
	errNoResult = errors.New("OnCompute answered done:true but WOBFinished was not called")
	errBoundary = errors.New("OnCheckpoint's fields are not valid")
)

// defaultCheckpoint is for applications that name no interval.
const defaultCheckpoint = time.Minute

// assign gives a record to a process, which is started or exchanged if need be.
func (m *Machine) assign(r *rec, p *proc, merging bool) {
	r.proc, r.phase, r.merging, r.inited = p, loaded, merging, false
	p.rec = r
	app := appName(r.app())
	m.last = app
	switch {
	case p.up && !p.dying && p.app == app:
		m.initWOB(p)
	case p.alive && p.app != app:
		m.stop(p) // AppDown starts the right one
	case !p.alive:
		m.start(p, app)
	}
}

func (m *Machine) initWOB(p *proc) {
	m.call(p, appapi.OnWOBInit, appapi.WOBParams{WOB: appapi.View(p.rec.newest)}, call{rec: p.rec})
}

var (
	_ = onReply(appapi.OnWOBInit, (*Machine).initDone)
	_ = onReply(appapi.OnCompute, (*Machine).computeDone)
	_ = onReply(appapi.OnCheckpoint, (*Machine).packed)
	_ = onReply(appapi.OnAppExit, (*Machine).packed)
)

func (m *Machine) initDone(p *proc, r *rec, c *call, in AppReply) {
	if !m.answer(p, c, in, nil) {
		return
	}
	r.inited = true
	m.pump(r)
}

// pump does the next thing for a record in a process. It is called whenever something
// about the record changed; each step waits for the one before it.
func (m *Machine) pump(r *rec) {
	if r.dead || !r.inProcess() || r.exiting || r.packing {
		return
	}
	m.deliver(r)
	if r.open {
		m.pumpOpen(r)
		return
	}
	if r.calls > 0 || r.proc.open || r.asking != nil || r.offer != nil {
		return
	}
	switch {
	case !r.ownDone && !r.merging && !r.stopping, m.wantsCall(r):
		m.compute(r)
	default:
		m.pack(r)
	}
}

// pumpOpen is pump while OnCompute is open: checkpoint what must be stored, then give
// more away. An offer that is open delays the checkpoint and no further one is made.
func (m *Machine) pumpOpen(r *rec) {
	switch {
	case r.stopping || r.offer != nil || r.asking != nil:
	case r.wantSave && r.save == nil:
		m.pack(r)
	default:
		m.nextRequest(r)
	}
}

// wantsCall reports whether the application is to be asked for its final result by one
// more OnCompute (finish "call").
func (m *Machine) wantsCall(r *rec) bool {
	return r.proc.finish == appapi.FinishCall && !r.called && !r.stopping && !m.isAux(r.proc) && m.complete(r)
}

func (m *Machine) complete(r *rec) bool {
	return r.mem.Complete(r.ownDone) && len(r.returns) == 0
}

func (m *Machine) compute(r *rec) {
	p := r.proc
	fresh := !r.again && !r.open
	r.open, r.again, p.open = true, false, true
	_ = r.mem.MoveTo(wob.Running)
	r.since, r.done = m.now, r.mem.Effort.Done()
	m.call(p, appapi.OnCompute, nil, call{rec: r})
	if !r.timers.Armed(recCheckpoint) {
		r.timers.Set(recCheckpoint, m.in(m.jitter(m.interval(r))))
	}
	if !fresh {
		return
	}
	var waited time.Duration
	if r.waited != core.Never {
		waited = m.now.Sub(r.waited)
		r.waited = core.Never
	}
	m.report(Computing{WOB: r.id(), Proc: p.n, Effort: r.mem.Effort, Waited: waited})
	m.announce(r)
	if r.root() { // who asked before it was here got nothing and would wait
		m.emit(WorkAvailable{WOB: r.id()})
	}
}

func (m *Machine) interval(r *rec) time.Duration {
	if a, ok := m.installed(r.app()); ok && a.Checkpoint > 0 {
		return a.Checkpoint
	}
	return defaultCheckpoint
}

func (m *Machine) computeDone(p *proc, r *rec, c *call, in AppReply) {
	r.open = false
	if r.exiting {
		return
	}
	var res appapi.ComputeResult
	if !m.answer(p, c, in, &res) {
		return
	}
	if !res.Done {
		if !r.stopping {
			m.kill(p, errStopped)
			return
		}
		m.pump(r)
		return
	}
	if r.asking != nil {
		r.again = true // the answer to OnWOBRequest tells
		return
	}
	if r.offer != nil && !r.offer.acking { // the locked part is this WOB's again
		m.releaseOffer(r, "small")
		r.again = true
		m.compute(r)
		return
	}
	if r.offer != nil {
		r.again = true // whose the part is, the answer to OnWOBOfferAck tells
		return
	}
	if m.wasAsked(r) && !r.called {
		m.kill(p, errNoResult)
		return
	}
	m.ownPartDone(r)
}

// wasAsked reports whether the OnCompute just answered was the one for WOBFinished.
func (m *Machine) wasAsked(r *rec) bool {
	return r.ownDone && r.proc.finish == appapi.FinishCall && m.complete(r)
}

func (m *Machine) ownPartDone(r *rec) {
	m.declineQueue(r, "small")
	r.ownDone = true
	r.timers.Clear(recCheckpoint)
	m.pump(r)
}

// pack asks for a checkpoint. The open offer was resolved before.
func (m *Machine) pack(r *rec) {
	r.packing = true
	m.call(r.proc, appapi.OnCheckpoint, nil, call{rec: r})
}

// packed makes the answer and the children table as of now one snapshot (S3).
func (m *Machine) packed(p *proc, r *rec, c *call, in AppReply) {
	r.packing = false
	var pk appapi.Packed
	if !m.answer(p, c, in, &pk) {
		return
	}
	if err := checkPacked(pk, r.mem); err != nil {
		m.kill(p, fmt.Errorf("%w: %w", errBoundary, err))
		return
	}
	r.mem.Checkpoint, r.mem.Result, r.mem.Meta, r.mem.Effort = pk.Checkpoint, pk.Result, pk.Meta, pk.Effort
	m.measure(r)
	if r.open && !r.exiting {
		if r.timers.Armed(recCheckpoint) {
			r.timers.Set(recCheckpoint, m.in(m.jitter(m.interval(r))))
		}
		m.snapshot(r, wob.Running)
		m.pump(r)
		return
	}
	m.close(r)
}

// close takes the last snapshot of a record in this process and takes the record out of
// it: the process is free for the next WOB at once, storing goes on without it.
func (m *Machine) close(r *rec) {
	exiting, p := r.exiting, r.proc
	switch {
	case exiting && r.ownDone:
		m.settle(r, wob.Waiting)
	case exiting:
		m.settle(r, wob.Suspended)
	case m.complete(r) && (p.finish != appapi.FinishCall || r.called):
		if r.called {
			r.mem.Result = r.result
		}
		m.unload(r)
		r.phase = finished
		m.report(Finished{WOB: r.id()})
		m.snapshot(r, wob.Finished)
	case m.complete(r) && m.isAux(p): // WOBFinished is called inside OnCompute: needs a slot
		m.settle(r, wob.Suspended)
	case r.ownDone && len(r.returns) == 0:
		m.settle(r, wob.Waiting)
		m.report(Waits{WOB: r.id(), Out: len(r.mem.Out())})
	default:
		m.settle(r, wob.Suspended)
	}
	if exiting {
		m.stop(p)
	}
}

// settle packs a record away in a state in which it can be moved or resumed.
func (m *Machine) settle(r *rec, s wob.State) {
	m.unload(r)
	if s == wob.Suspended && r.mem.State == wob.Created {
		s = wob.Created
	}
	if s == wob.Suspended {
		m.report(Suspended{WOB: r.id(), Effort: r.mem.Effort})
		r.ownDone = false
	}
	r.phase = phaseOf(s)
	m.snapshot(r, s)
	for _, res := range r.results { // what was merged is in; what was not is merged later
		if c := r.mem.Lookup(res.w.ID); res.state == resultCalled && (c == nil || c.State != wob.Merged) {
			res.state = resultQueued
		}
	}
}

// checkPacked refuses what would not fit into an encoded WOB, and names the field.
func checkPacked(p appapi.Packed, w *wob.WOB) error {
	if err := p.Effort.Check(); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		raw  wob.Raw
	}{{"checkpoint", p.Checkpoint}, {"result", p.Result}, {"meta", p.Meta}} {
		if len(f.raw) > appapi.MaxWOB {
			return fmt.Errorf("%s has %d bytes, an encoded WOB at most %d", f.name, len(f.raw), appapi.MaxWOB)
		}
	}
	n := len(p.Checkpoint) + len(p.Result) + len(p.Meta)
	if n > appapi.MaxWOB/2 { // near the limit: count the rest as well
		n += len(w.Boundary) + 1024
		for i := range w.Children {
			c := &w.Children[i]
			n += len(c.Boundary) + len(c.Birth) + len(c.Meta) + 512
		}
	}
	if n > appapi.MaxWOB {
		return fmt.Errorf("checkpoint, result, meta and children have %d bytes, an encoded WOB at most %d", n, appapi.MaxWOB)
	}
	return nil
}

// measure learns the application's speed from the own work done since the last look.
func (m *Machine) measure(r *rec) {
	d := m.now.Sub(r.since)
	if r.merging || d < minMeasure {
		return
	}
	done := r.mem.Effort.Done()
	m.learn(appName(r.app()), (done-r.done)/d.Seconds())
	r.since, r.done = m.now, done
}

// minMeasure is the shortest time that says something about speed.
const minMeasure = 100 * time.Millisecond

func (m *Machine) learn(app string, speed float64) {
	if !(speed > 0) || speed > 1e300 {
		return
	}
	if old := m.speed[app]; old > 0 {
		speed = old*0.7 + speed*0.3
	}
	m.speed[app] = speed
}

// suspend has a computing record stop and be packed; it is then held here.
func (m *Machine) suspend(r *rec) {
	if !r.inProcess() || r.stopping || r.exiting {
		return
	}
	if r.asking != nil { // an offer may be on its way; it is released first
		r.quit = max(r.quit, quitSuspend)
		return
	}
	m.withdraw(r, "leaving")
	m.declineQueue(r, "leaving")
	r.stopping = true
	if r.open {
		m.notify(r.proc, suspendMethod, nil)
	}
	m.pump(r)
}
