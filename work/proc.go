package work

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// proc is one process number and what runs there.
type proc struct {
	n         int
	gen       uint64
	app       string // started, or to be started
	version   string // of the application when it was started
	up        bool   // it called Start
	alive     bool   // started and not yet down
	dying     bool   // stopped or killed: AppDown is on its way
	open      bool   // OnCompute is open, perhaps for a record that left
	finish    string
	rec       *rec
	calls     map[uint64]*call
	cause     error // why it was killed
	idleSince core.Time
}

// call is a call to an application that is not answered yet.
type call struct {
	method string
	rec    *rec
	offer  *offer
	child  wob.ID
	backup *wob.WOB
}

const suspendMethod = appapi.Suspend

var errAnswer = errors.New("the application's answer can't be used")

// appName returns the application's name, without the version that may be pinned.
func appName(s string) string { name, _, _ := strings.Cut(s, "@"); return name }

// installed returns the application that runs WOBs of app, name or name@version.
func (m *Machine) installed(app string) (App, bool) {
	name, version, pinned := strings.Cut(app, "@")
	for _, a := range m.apps {
		if a.Name == name && (!pinned || a.Version == version) {
			return a, true
		}
	}
	return App{}, false
}

// canRun reports whether this node computes WOBs of app at all.
func (m *Machine) canRun(app string) bool {
	_, ok := m.installed(app)
	return ok && m.cfg.Slots > 0 && !m.paused && !m.leaving
}

func (m *Machine) threads(app string) int {
	a, _ := m.installed(app)
	return min(max(a.Threads, 1), max(m.cfg.Slots, 1))
}

// aux is the process outside the slots.
func (m *Machine) aux() *proc { return m.procs[m.cfg.Slots] }

func (m *Machine) isAux(p *proc) bool { return p.n == m.cfg.Slots }

func (m *Machine) start(p *proc, app string) {
	p.gen++
	a, _ := m.installed(app)
	p.version = a.Version
	p.app, p.alive, p.up, p.dying, p.open, p.cause = app, true, false, false, false, nil
	p.calls = map[uint64]*call{}
	p.idleSince = m.now
	if m.isAux(p) {
		m.timers.Set(timerAux, m.in(auxIdle))
	}
	m.emit(StartProc{Proc: p.n, Gen: p.gen, App: app})
}

func (m *Machine) stop(p *proc) {
	if p.alive && !p.dying {
		p.dying = true
		m.emit(StopProc{Proc: p.n, Gen: p.gen})
	}
}

// kill ends a process that broke the protocol; what it held is rolled back when it is gone.
func (m *Machine) kill(p *proc, cause error) {
	if p.alive && !p.dying {
		p.dying, p.cause = true, cause
		m.emit(KillProc{Proc: p.n, Gen: p.gen})
	}
}

func (m *Machine) call(p *proc, method string, params any, c call) {
	c.method = method
	id := m.token()
	p.calls[id] = &c
	m.emit(Call{Proc: p.n, Gen: p.gen, Call: id, Method: method, Params: params})
}

func (m *Machine) notify(p *proc, method string, params any) {
	if p.up && !p.dying {
		m.emit(Notify{Proc: p.n, Gen: p.gen, Method: method, Params: params})
	}
}

var (
	_ = onInput((*Machine).appsKnown)
	_ = onInput((*Machine).appUp)
	_ = onInput((*Machine).appDown)
	_ = onInput((*Machine).appReply)
)

func (m *Machine) appsKnown(in Apps) {
	for _, a := range in.Installed {
		if old, _ := m.installed(a.Name); old.Version != a.Version {
			m.mended(a.Name)
			m.workloadRose(WorkloadRose{}) // work for it may have waited
		}
	}
	m.apps = append([]App(nil), in.Installed...)
	if _, ok := m.installed(m.last); !ok {
		m.last = ""
	}
}

// process returns the process, unless what is said of it is about an earlier one.
func (m *Machine) process(n int, gen uint64) *proc {
	if n < 0 || n >= len(m.procs) || m.procs[n].gen != gen || !m.procs[n].alive {
		return nil
	}
	return m.procs[n]
}

func (m *Machine) appUp(in AppUp) {
	p := m.process(in.Proc, in.Gen)
	if p == nil || p.up || p.dying {
		return
	}
	p.up, p.idleSince = true, m.now
	delete(m.resting, p.app)
	p.finish = in.Start.Finish
	if p.rec != nil {
		m.initWOB(p)
	}
}

func (m *Machine) appDown(in AppDown) {
	p := m.process(in.Proc, in.Gen)
	if p == nil {
		return
	}
	wasUp, cause := p.up, p.cause
	expected := p.dying && cause == nil
	p.alive, p.up, p.dying, p.open, p.calls = false, false, false, false, nil
	if cause == nil {
		cause = errors.New(in.Err)
		if in.Err == "" {
			cause = errors.New("the process ended")
		}
	}
	r := p.rec
	switch {
	case expected && r != nil && r.inited: // stopped with a WOB inside: nothing failed
		m.rollBack(r)
	case expected:
	default:
		if !wasUp {
			m.rest(p.app)
		}
		if r != nil {
			m.failed(r, p, cause, in.Log)
		} else {
			m.report(AppFailed{Proc: p.n, Error: cause.Error(), Log: in.Log})
		}
	}
	if p.rec != nil && !p.rec.inited && expected { // it was stopped to make room for another application
		m.start(p, appName(p.rec.app()))
	}
}

// replies holds what happens when an application answers, by method.
var replies = map[string]func(*Machine, *proc, *rec, *call, AppReply){}

func onReply(method string, handle func(*Machine, *proc, *rec, *call, AppReply)) struct{} {
	replies[method] = handle
	return struct{}{}
}

func (m *Machine) appReply(in AppReply) {
	p := m.process(in.Proc, in.Gen)
	if p == nil || p.dying {
		return
	}
	c := p.calls[in.Call]
	if c == nil {
		return
	}
	delete(p.calls, in.Call)
	if c.method == appapi.OnCompute {
		p.open, p.idleSince = false, m.now
	}
	if c.rec.dead || c.rec.proc != p {
		if c.method == appapi.OnWOBRequest {
			m.disclaim(p, in)
		}
		return // it left this process meanwhile
	}
	replies[c.method](m, p, c.rec, c, in)
}

// answer reads the result of a call into v. If it can't, the process is killed: what it
// holds can't be trusted any more.
func (m *Machine) answer(p *proc, c *call, in AppReply, v any) bool {
	var err error
	switch {
	case in.Code != 0:
		err = fmt.Errorf("%s failed: %.500s (%d)", c.method, in.Err, in.Code)
	case v != nil:
		if e := json.Unmarshal([]byte(in.Result), v); e != nil {
			err = fmt.Errorf("%w: %s: %.500s", errAnswer, c.method, e.Error())
		}
	}
	if err != nil {
		m.kill(p, err)
		return false
	}
	return true
}
