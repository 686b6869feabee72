package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// What the goroutines around a process tell its owner.
type (
	heard  struct{ line []byte } // a line of standard output
	closed struct{ err error }   // standard output ended: nil at its end
	exited struct{ status string }
)

// eofWait is how long an application that closed its standard output may take to exit by
// itself, so that its exit status can be told rather than the broken pipe.
const eofWait = 2 * time.Second

// hear handles what the application said.
func (p *process) hear(ev any) {
	switch ev := ev.(type) {
	case heard:
		if p.fault != nil {
			p.out.line(ev.line)
			return
		}
		m, ok := parse(ev.line)
		switch {
		case !ok:
			p.junk++
			p.out.line(ev.line)
		case m.Method != "":
			p.asked(m)
		case len(m.ID) > 0:
			p.answered(m)
		default:
			p.warn("message without method and id")
			p.out.line(ev.line)
		}
		p.pump()
	case closed:
		switch {
		case errors.Is(ev.err, errLineTooLong):
			p.kill(faultf(ErrProtocol, "the application wrote a line of more than %d MiB on its standard output", appapi.MaxLine>>20))
		case p.fault == nil && !p.stopping:
			p.alarms.set(alarmEOF, eofWait)
		}
	}
}

// answered handles the application's answer to one of our requests.
func (p *process) answered(m message) {
	id, err := strconv.ParseUint(string(m.ID), 10, 64)
	var k *call
	switch {
	case err != nil:
	case p.inflight != nil && p.inflight.id == id:
		k, p.inflight = p.inflight, nil
		p.alarms.clear(alarmCall)
	case p.compute != nil && p.compute.id == id:
		k, p.compute = p.compute, nil
		p.alarms.clear(alarmCompute)
	}
	if k == nil {
		p.warn("answer to a call that is not open", "id", string(m.ID[:min(len(m.ID), 40)]))
		return
	}
	r := Reply{Proc: p.proc, Gen: p.gen, Call: k.call, Err: m.rpcError()}
	if r.Err == nil {
		r.Result = m.Result
		if isNull(r.Result) {
			r.Result = json.RawMessage("null")
		}
	}
	p.post(r)
}

// asked handles a request or notification of the application.
func (p *process) asked(m message) {
	switch {
	case len(m.ID) == 0:
		p.noted(m)
	case !validID(m.ID):
		p.refuse(json.RawMessage("null"), appapi.CodeInvalidRequest, "an id is a string or an integer")
	case m.Method == appapi.Start:
		p.started(m)
	case !p.up:
		p.refuse(m.ID, appapi.CodeInvalidRequest, "Start comes first")
	default:
		p.asks(m)
	}
}

// asks passes a call of the application on, to be answered with Answer.
func (p *process) asks(m message) {
	switch m.Method {
	case appapi.WOBFinished, appapi.WOBQuery, appapi.WOBLocQuery, appapi.WOBMsg, appapi.WOBReqBackup:
	default:
		p.refuse(m.ID, appapi.CodeUnknownMethod, "unknown method "+m.Method)
		return
	}
	key := string(m.ID)
	switch {
	case p.open[key]:
		p.refuse(m.ID, appapi.CodeInvalidRequest, "a call with this id is open")
	case len(p.open) >= maxOpen:
		p.refuse(m.ID, appapi.CodeInternal, fmt.Sprintf("more than %d calls are open", maxOpen))
	default:
		p.open[key] = true
		p.post(Request{Proc: p.proc, Gen: p.gen, ID: m.ID, Method: m.Method, Params: m.Params})
	}
}

func (p *process) noted(m message) {
	switch m.Method {
	case appapi.Progress, appapi.NotifyWorkloadAvailable:
		if p.up && p.notes.take(time.Now()) {
			p.post(Note{Proc: p.proc, Gen: p.gen, Method: m.Method, Params: m.Params})
		}
	default:
		p.warn("unknown notification", "method", m.Method[:min(len(m.Method), 80)])
	}
}

func (p *process) refuse(id json.RawMessage, code int, text string) {
	if len(text) > 200 {
		text = text[:200]
	}
	p.reply(id, nil, &RPCError{Code: code, Message: text})
}

// started handles Start: the process says what it is, and may get a WOB from now on.
func (p *process) started(m message) {
	if p.up {
		p.refuse(m.ID, appapi.CodeInvalidRequest, "Start was called before")
		return
	}
	var s appapi.StartParams
	if err := json.Unmarshal(m.Params, &s); err != nil {
		p.kill(faultf(ErrStart, "the application called Start with parameters that cannot be read: %v", err))
		return
	}
	switch {
	case s.Protocol != appapi.Version:
		p.kill(faultf(ErrStart, "the application speaks protocol version %d, this node version %d", s.Protocol, appapi.Version))
		return
	case p.cmd.Name != "" && s.App != p.cmd.Name:
		p.kill(faultf(ErrStart, "the application calls itself %.80q in Start, its package %q", s.App, p.cmd.Name))
		return
	case p.cmd.Version != "" && s.Version != p.cmd.Version:
		p.kill(faultf(ErrStart, "the application calls itself version %.80q in Start, its package %q", s.Version, p.cmd.Version))
		return
	case s.Finish != "" && s.Finish != appapi.FinishCheckpoint && s.Finish != appapi.FinishCall:
		p.kill(faultf(ErrStart, "the application called Start with finish %.80q: it is %q or %q", s.Finish, appapi.FinishCheckpoint, appapi.FinishCall))
		return
	}
	if s.Finish == "" {
		s.Finish = appapi.FinishCheckpoint
	}
	p.up = true
	p.alarms.clear(alarmStart)
	p.reply(m.ID, appapi.StartResult{Slot: p.proc, Project: p.cmd.Project, Params: p.cmd.Params}, nil)
	p.post(Up{Proc: p.proc, Gen: p.gen, Start: s})
}

// ring handles a missed deadline.
func (p *process) ring() {
	which, at, ok := p.alarms.next()
	if !ok || time.Now().Before(at) {
		return
	}
	p.alarms.clear(which)
	limit := func(method string) time.Duration { return p.m.cfg.within(method, p.cmd.Timeout) }
	switch which {
	case alarmStart:
		p.kill(faultf(ErrStart, "the application did not call Start within %v", words(limit(appapi.Start))))
	case alarmCall:
		p.kill(faultf(ErrDeadline, "the application did not answer %s within %v", p.inflight.method, words(limit(p.inflight.method))))
	case alarmCompute:
		p.kill(faultf(ErrDeadline, "the application did not answer OnCompute within %v of Suspend", words(limit(appapi.Suspend))))
	case alarmStop:
		p.child.kill()
	case alarmEOF:
		p.kill(faultf(ErrProtocol, "the application closed its standard output"))
	}
}

// words writes a duration as people do: "30 s", not "30s"; fractions stay as Go writes them.
func words(d time.Duration) string {
	if d >= time.Second && d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + " s"
	}
	return d.String()
}

// kill ends the process for the reason given; the first reason counts.
func (p *process) kill(why error) {
	if p.fault == nil {
		p.fault = why
		p.alarms = alarmSet{}
		p.queue = nil
	}
	p.child.kill()
}

// ended completes the reason when the process ended by itself.
func (p *process) ended(e exited) {
	if p.fault != nil || p.stopping {
		return
	}
	doing := ""
	switch {
	case !p.up:
		doing = " before it called Start"
	case p.inflight != nil:
		doing = " while " + p.inflight.method + " was open"
	case p.compute != nil:
		doing = " while OnCompute was open"
	}
	kind := ErrExited
	if !p.up {
		kind = ErrStart
	}
	p.fault = faultf(kind, "the application ended by itself%s: %s", doing, e.status)
}
