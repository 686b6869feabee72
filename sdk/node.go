package sdk

import (
	"encoding/json"
	"sync/atomic"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// Node is the middleware as the application sees it. The one given to OnStart may be kept and
// used anywhere; the one given to OnCompute is for that call of it alone.
type Node struct {
	conn *conn
	info StartInfo
	jobs chan func() // callbacks to run inside CanCompute; nil for OnStart's Node
	stop *stopper    // nil for OnStart's Node
}

// stopper tells one OnCompute to stop.
type stopper struct {
	flag atomic.Bool
	ch   chan struct{}
}

func newStopper() *stopper { return &stopper{ch: make(chan struct{})} }

func (s *stopper) stop() {
	if s.flag.CompareAndSwap(false, true) {
		close(s.ch)
	}
}

// CanCompute reports whether the computation may go on; once false it stays so until the next
// OnCompute. Without the option Concurrent, waiting callbacks run inside it.
func (n *Node) CanCompute() bool {
	if n.stop == nil {
		return false
	}
	for {
		select {
		case job := <-n.jobs:
			job()
		default:
			return !n.stop.flag.Load()
		}
	}
}

// Suspended is closed when CanCompute turns false.
func (n *Node) Suspended() <-chan struct{} {
	if n.stop == nil {
		return nil
	}
	return n.stop.ch
}

// Params returns the application's parameters from its package, JSON.
func (n *Node) Params() json.RawMessage { return json.RawMessage(orNull(n.info.Params)) }

// Slot returns the number of the slot the process runs in.
func (n *Node) Slot() int { return n.info.Slot }

// Project returns the id of the project.
func (n *Node) Project() string { return n.info.Project }

// orNull spells the empty Raw out.
func orNull(r Raw) Raw {
	if r == "" {
		return "null"
	}
	return r
}

// call makes a request and waits for the answer; callbacks that must run inside CanCompute are
// served meanwhile, for they have deadlines.
func (n *Node) call(method string, params, result any) error {
	ch, err := n.conn.send(method, params)
	if err != nil {
		return err
	}
	for {
		select {
		case job := <-n.jobs:
			job()
		case m, ok := <-ch:
			switch {
			case !ok:
				return ErrClosed
			case m.Error != nil:
				return m.Error
			case result == nil || len(m.Result) == 0:
				return nil
			}
			return json.Unmarshal(m.Result, result)
		}
	}
}

// NotifyWorkloadAvailable tells idle nodes to ask again.
func (n *Node) NotifyWorkloadAvailable() error {
	return n.conn.notify(appapi.NotifyWorkloadAvailable, struct{}{})
}

// Progress tells people how far the WOB is.
func (n *Node) Progress(e Effort, text string) error {
	return n.conn.notify(appapi.Progress, appapi.ProgressParams{Effort: e, Text: text})
}

// WOBFinished gives the final result, for an application that asked for it (option FinishByCall).
// ErrChildOut while a child is still computed elsewhere.
func (n *Node) WOBFinished(result Raw) error {
	return n.call(appapi.WOBFinished, appapi.FinishedParams{Result: result}, nil)
}

// WOBQuery fetches a WOB and its location, wherever it is. ErrUnknownWOB, ErrUnanswered.
func (n *Node) WOBQuery(id ID) (WOB, *Location, error) {
	var r appapi.QueryResult
	err := n.call(appapi.WOBQuery, appapi.IDParams{ID: id}, &r)
	return r.WOB, r.Location, err
}

// WOBLocQuery finds where a WOB is. ErrUnknownWOB, ErrUnanswered.
func (n *Node) WOBLocQuery(id ID) (Location, error) {
	var r appapi.LocationResult
	err := n.call(appapi.WOBLocQuery, appapi.IDParams{ID: id}, &r)
	return r.Location, err
}

// WOBMsg sends data to the application that computes the WOB. ErrUndeliverable.
func (n *Node) WOBMsg(to ID, data Raw) error {
	return n.call(appapi.WOBMsg, appapi.SendParams{To: to, Data: data}, nil)
}

// WOBReqBackup fetches the newest backup of a WOB.
func (n *Node) WOBReqBackup(id ID) (WOB, error) {
	var r appapi.QueryResult
	err := n.call(appapi.WOBReqBackup, appapi.IDParams{ID: id}, &r)
	return r.WOB, err
}
