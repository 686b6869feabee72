package sdk

import (
	"fmt"
	"sync"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// dispatcher turns messages into callbacks, one after another in order of arrival. OnCompute
// alone has a goroutine of its own, because it stays open.
type dispatcher struct {
	app        App
	concurrent bool
	conn       *conn
	node       *Node

	mu     sync.Mutex // guards the queue
	queue  []message
	ended  bool
	wake   chan struct{}
	jobs   chan func()   // callbacks that OnCompute's goroutine runs inside CanCompute
	stop   *stopper      // of the newest OnCompute
	idle   chan struct{} // closed when that OnCompute has returned
	closed chan struct{} // the input has ended
}

func newDispatcher(app App, cfg *config) *dispatcher {
	d := &dispatcher{
		app: app, concurrent: cfg.concurrent, conn: newConn(cfg.in, cfg.out),
		wake: make(chan struct{}, 1), jobs: make(chan func()), idle: make(chan struct{}), closed: make(chan struct{}),
	}
	close(d.idle)
	return d
}

// enqueue never blocks: the reader must stay free for answers to the application's own calls.
// The queue is short, since the middleware sends one request at a time.
func (d *dispatcher) enqueue(m message) {
	d.mu.Lock()
	d.queue = append(d.queue, m)
	d.mu.Unlock()
	d.signal()
}

// close ends run. What is queued is not served: the process is to exit.
func (d *dispatcher) close() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	close(d.closed)
	d.signal()
}

func (d *dispatcher) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run serves the queue until the input ends.
func (d *dispatcher) run() {
	for {
		d.mu.Lock()
		queue, ended := d.queue, d.ended
		d.queue = nil
		d.mu.Unlock()
		for _, m := range queue {
			d.serve(m)
		}
		if ended {
			if d.stop != nil {
				d.stop.stop()
			}
			return
		}
		if len(queue) == 0 {
			<-d.wake
		}
	}
}

// serve handles one message. What concerns OnCompute itself is done here; everything else is a
// callback that must not run beside it unless the application said so.
func (d *dispatcher) serve(m message) {
	switch m.Method {
	case appapi.OnCompute:
		d.compute(m)
		return
	case appapi.Suspend:
		if d.stop != nil {
			d.stop.stop()
		}
		return
	case appapi.OnAppExit:
		if d.stop != nil {
			d.stop.stop()
		}
	}
	d.exclusively(func() { d.callback(m) })
}

// compute starts OnCompute.
func (d *dispatcher) compute(m message) {
	select {
	case <-d.idle:
	default:
		_ = d.conn.answer(m.ID, nil, &rpcError{Code: appapi.CodeInvalidRequest, Message: "OnCompute is open"})
		return
	}
	d.stop, d.idle = newStopper(), make(chan struct{})
	n := &Node{conn: d.conn, info: d.node.info, jobs: d.jobs, stop: d.stop}
	idle := d.idle
	go func() {
		done, err := d.app.OnCompute(n)
		close(idle)
		_ = d.conn.answer(m.ID, appapi.ComputeResult{Done: done}, err)
	}()
}

// exclusively runs a callback: inside CanCompute while OnCompute runs, else here.
func (d *dispatcher) exclusively(f func()) {
	if d.concurrent {
		f()
		return
	}
	done := make(chan struct{})
	select {
	case d.jobs <- func() { f(); close(done) }:
		<-done
	case <-d.idle:
		f()
	case <-d.closed:
	}
}

// callback answers a request or takes a notification.
func (d *dispatcher) callback(m message) {
	result, err := d.invoke(m)
	if len(m.ID) == 0 {
		return
	}
	if err == nil && result == nil {
		result = struct{}{}
	}
	_ = d.conn.answer(m.ID, result, err)
}

// invoke calls the callback of a message's name.
func (d *dispatcher) invoke(m message) (any, error) {
	switch m.Method {
	case appapi.OnWOBInit:
		select {
		case <-d.idle:
		default:
			return nil, &rpcError{Code: appapi.CodeInvalidRequest, Message: "OnCompute is open"}
		}
		var p appapi.WOBParams
		if err := decode(m.Params, &p); err != nil {
			return nil, err
		}
		return nil, d.app.OnWOBInit(&p.WOB)
	case appapi.OnCheckpoint:
		return packed(d.app.OnCheckpoint())
	case appapi.OnAppExit:
		if e, ok := d.app.(Exiter); ok {
			return packed(e.OnAppExit())
		}
		return packed(d.app.OnCheckpoint())
	}
	return d.invokeOptional(m)
}

// packed keeps a nil error from hiding in an interface.
func packed(p Packed, err error) (any, error) { return p, err }

// unknown answers a method that the application does not implement.
func unknown(method string) error {
	return &rpcError{Code: appapi.CodeUnknownMethod, Message: fmt.Sprintf("method %.80q is not implemented by this application", method)}
}
