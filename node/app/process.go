package app

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// command is what a Manager's method asks of a process.
type command struct {
	kind   commandKind
	call   uint64
	id     json.RawMessage
	method string
	body   any
	err    *RPCError
}

type commandKind int

const (
	cmdCall commandKind = iota
	cmdNotify
	cmdAnswer
	cmdStop
	cmdKill
)

// call is a request that was sent and not answered yet.
type call struct {
	id     uint64 // on the wire
	call   uint64 // the caller's
	method string
}

// maxWarnings is how many lines a process can cause in the node's log.
const maxWarnings = 20

// maxOpen bounds the application's own calls that wait for an answer.
const maxOpen = 256

// process is one application process. Its goroutine (run) owns all fields below the mutex's;
// others reach it through the command queue and the in channel.
type process struct {
	m    *Manager
	proc int
	gen  uint64
	cmd  Command
	log  *slog.Logger
	done chan struct{} // closed when Down was posted
	wake chan struct{} // capacity 1: the command queue has grown
	in   chan any      // what the reader goroutines and the waiter found

	mu    sync.Mutex // guards posted
	inbox []command

	queue     []command // calls and notifications not sent yet
	nextID    uint64
	inflight  *call           // the ordinary request
	compute   *call           // OnCompute
	open      map[string]bool // ids of the application's own calls
	up        bool
	stopping  bool // StopProc was asked for: its end is no fault
	finishing bool // and standard input is closed
	fault     error
	junk      int
	notes     bucket
	warned    int
	alarms    alarmSet
	child     *child
	out       *appLog
}

// push posts a command; what comes after Down is dropped.
func (p *process) push(c command) {
	p.mu.Lock()
	p.inbox = append(p.inbox, c)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run is the life of the process: start, serve, Down.
func (p *process) run(before <-chan struct{}) {
	if before != nil {
		<-before
	}
	p.open = make(map[string]bool)
	out, err := newAppLog(p.cmd.LogFile)
	if err != nil {
		p.log.Warn("Application log not kept", "error", err)
	}
	p.out = out
	p.child, err = p.m.spawn(p)
	if err == nil {
		p.alarms.set(alarmStart, p.m.cfg.within(appapi.Start, p.cmd.Timeout))
		p.serve()
	} else {
		p.fault = faultf(ErrStart, "the application was not started: %v", err)
	}
	p.out.close()
	p.m.mu.Lock()
	if p.m.procs[p.proc] == p {
		delete(p.m.procs, p.proc)
	}
	p.m.mu.Unlock()
	p.m.post(Down{Proc: p.proc, Gen: p.gen, Err: p.fault, Log: p.out.last(), Junk: p.junk})
	close(p.done)
}

// serve handles commands, lines and deadlines until the process is gone.
func (p *process) serve() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		_, at, armed := p.alarms.next()
		if armed {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		select {
		case <-p.wake:
			p.drain()
		case ev := <-p.in:
			if gone, ok := ev.(exited); ok {
				p.ended(gone)
				return
			}
			p.hear(ev)
		case <-timer.C:
			p.ring()
		}
	}
}

// drain takes the posted commands over and does what can be done at once.
func (p *process) drain() {
	p.mu.Lock()
	cmds := p.inbox
	p.inbox = nil
	p.mu.Unlock()
	for _, c := range cmds {
		switch c.kind {
		case cmdCall, cmdNotify:
			p.queue = append(p.queue, c)
		case cmdStop:
			p.stopping = true
			p.queue = append(p.queue, c)
		case cmdAnswer:
			p.answer(c)
		case cmdKill:
			p.kill(faultf(ErrKilled, "the application was killed by the node"))
		}
	}
	p.pump()
}

// answer sends the answer to a call of the application, once.
func (p *process) answer(c command) {
	if p.fault != nil || !p.open[string(c.id)] {
		return
	}
	delete(p.open, string(c.id))
	p.reply(c.id, c.body, c.err)
}

// reply writes an answer to the application.
func (p *process) reply(id json.RawMessage, result any, rerr *RPCError) {
	if result == nil {
		result = struct{}{}
	}
	if rerr != nil {
		result = nil
	}
	line, err := encode(id, "", nil, result, rerr)
	if err != nil {
		line, err = encode(id, "", nil, nil, &RPCError{Code: appapi.CodeInternal, Message: "the answer cannot be sent: " + err.Error()})
	}
	if err != nil {
		p.log.Warn("Answer to application not sent", "error", err)
		return
	}
	p.write(line)
}

// pump sends from the queue what the order rules allow.
func (p *process) pump() {
	for p.up && p.fault == nil && len(p.queue) > 0 {
		c := p.queue[0]
		if !p.maySend(c) {
			return
		}
		p.queue = p.queue[1:]
		switch c.kind {
		case cmdNotify:
			p.notify(c)
		case cmdCall:
			p.request(c)
		case cmdStop:
			p.finish()
		case cmdAnswer, cmdKill: // drain does them at once, they are never queued
		}
	}
	if p.stopping && !p.up && p.fault == nil {
		p.finish() // nothing was promised to a process that did not call Start yet
	}
}

// finish asks the application to exit by closing its standard input.
func (p *process) finish() {
	if p.finishing {
		return
	}
	p.finishing = true
	p.child.stdin.finish()
	p.alarms.clear(alarmStart)
	p.alarms.set(alarmStop, p.m.cfg.StopWait)
}

// maySend tells whether the head of the queue may be sent. A computation that would have to
// wait for the end of the open one is let through when the process is to stop: see request.
func (p *process) maySend(c command) bool {
	switch {
	case c.kind == cmdNotify:
		return true
	case p.inflight != nil:
		return false
	case c.kind == cmdCall && waitsForCompute(c.method):
		return p.compute == nil || p.stopping
	}
	return true
}

// waitsForCompute tells which methods must not be sent while OnCompute is open.
func waitsForCompute(method string) bool {
	return method == appapi.OnCompute || method == appapi.OnWOBInit
}

func (p *process) notify(c command) {
	line, err := encode(nil, c.method, params(c.body), nil, nil)
	if err != nil {
		p.log.Warn("Notification to application not sent", "method", c.method, "error", err)
		return
	}
	p.write(line)
	if c.method == appapi.Suspend && p.compute != nil && p.alarms[alarmCompute].IsZero() {
		p.alarms.set(alarmCompute, p.m.cfg.within(appapi.Suspend, p.cmd.Timeout))
	}
}

func (p *process) request(c command) {
	if p.compute != nil && waitsForCompute(c.method) {
		return // the process is to stop: what would wait for the open OnCompute is dropped
	}
	p.nextID++
	k := &call{id: p.nextID, call: c.call, method: c.method}
	line, err := encode(json.RawMessage(strconv.FormatUint(k.id, 10)), c.method, params(c.body), nil, nil)
	if err != nil {
		p.post(Reply{Proc: p.proc, Gen: p.gen, Call: c.call,
			Err: &RPCError{Code: appapi.CodeInvalidParams, Message: "not sent: " + err.Error()}})
		return
	}
	p.write(line)
	if c.method == appapi.OnCompute {
		p.compute = k
		return
	}
	if c.method == appapi.OnAppExit {
		p.alarms.clear(alarmCompute) // an open OnCompute needs no answer any more
	}
	p.inflight = k
	p.alarms.set(alarmCall, p.m.cfg.within(c.method, p.cmd.Timeout))
}

// params makes a missing parameter object an empty one.
func params(body any) any {
	if body == nil {
		return struct{}{}
	}
	return body
}

// write hands a line to the writer.
func (p *process) write(line []byte) {
	if !p.child.stdin.put(line) {
		p.kill(faultf(ErrProtocol, "the application does not read its standard input: over %d MiB wait there", maxPending>>20))
	}
}

func (p *process) post(e Event) { p.m.post(e) }

// warn logs what an application does wrong without harm; after maxWarnings it keeps quiet, so
// that a bad application cannot fill the node's log.
func (p *process) warn(what string, args ...any) {
	p.warned++
	args = append([]any{"what", what}, args...)
	switch {
	case p.warned < maxWarnings:
		p.log.Warn("Application does not keep to the protocol", args...)
	case p.warned == maxWarnings:
		p.log.Warn("Application does not keep to the protocol; further warnings about this process are left out", args...)
	}
}
