// Package appapi holds the messages of the application protocol, version 1: what the
// middleware and an application's process say to each other in JSON-RPC 2.0 on
// standard input and output (paper, section 3.4.7). Both sides and the work machine
// use these types. The package is pure.
package appapi

import "github.com/wobcompute/wobcompute/wob"

// Version is the protocol version, as in the environment WOB_APP_PROTOCOL and in Start.
const Version = 1

// Limits of the protocol.
const (
	MaxLine = 16 << 20 // bytes in one message
	MaxWOB  = 8 << 20  // bytes of an encoded WOB
)

// Methods the middleware calls.
const (
	OnWOBInit          = "OnWOBInit"
	OnCompute          = "OnCompute"
	Suspend            = "Suspend" // notification
	OnCheckpoint       = "OnCheckpoint"
	OnAppExit          = "OnAppExit"
	OnWOBRequest       = "OnWOBRequest"
	OnWOBOfferAck      = "OnWOBOfferAck"
	OnWOBOfferRelease  = "OnWOBOfferRelease" // notification
	OnWOBChildAck      = "OnWOBChildAck"     // notification
	OnWOBChildReturn   = "OnWOBChildReturn"
	OnWOBChildLost     = "OnWOBChildLost"
	OnWOBChildFinished = "OnWOBChildFinished"
	OnWOBMsg           = "OnWOBMsg" // notification
)

// Methods the application calls.
const (
	Start                   = "Start"
	WOBFinished             = "WOBFinished"
	NotifyWorkloadAvailable = "NotifyWorkloadAvailable" // notification
	WOBQuery                = "WOBQuery"
	WOBLocQuery             = "WOBLocQuery"
	WOBMsg                  = "WOBMsg"
	WOBReqBackup            = "WOBReqBackup"
	Progress                = "Progress" // notification
)

// Error codes of JSON-RPC answers.
const (
	CodeUnknownOffer   = -32000 // OnWOBOfferAck: the part is not taken, no failure
	CodeUnknownWOB     = -32004 // unknown to all
	CodeUnanswered     = -32005 // not answered by all
	CodeUndeliverable  = -32010 // WOBMsg: carries the newest location known
	CodeChildOut       = -32020 // WOBFinished while a child is out
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeUnknownMethod  = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
)

// Finish tells how a WOB's result becomes final.
const (
	FinishCheckpoint = "checkpoint" // the result of a last OnCheckpoint is final
	FinishCall       = "call"       // the application calls WOBFinished
)

// WOB is a Workload Object as applications see it.
type WOB struct {
	ID         wob.ID     `json:"id"`
	App        string     `json:"app"`
	Parent     wob.ID     `json:"parent,omitempty"`
	Epoch      uint64     `json:"epoch"`
	Version    uint64     `json:"version"`
	State      wob.State  `json:"state"`
	Boundary   wob.Raw    `json:"boundary"`
	Checkpoint wob.Raw    `json:"checkpoint"`
	Result     wob.Raw    `json:"result"`
	Meta       wob.Raw    `json:"meta"`
	Effort     wob.Effort `json:"effort"`
	Children   []Child    `json:"children"`
}

// Child is an entry of the children table, read-only for applications.
type Child struct {
	ID       wob.ID    `json:"id"`
	Boundary wob.Raw   `json:"boundary"`
	State    wob.State `json:"state"`
}

// View returns w as applications see it.
func View(w *wob.WOB) WOB {
	v := WOB{
		ID: w.ID, App: w.App, Parent: w.Parent, Epoch: w.Epoch, Version: w.Version, State: w.State,
		Boundary: w.Boundary, Checkpoint: w.Checkpoint, Result: w.Result, Meta: w.Meta, Effort: w.Effort,
		Children: make([]Child, len(w.Children)),
	}
	for i, c := range w.Children {
		v.Children[i] = Child{ID: c.ID, Boundary: c.Boundary, State: c.State}
	}
	return v
}

// NodeSpec describes the asking node (paper: "Request contains node specifications").
type NodeSpec struct {
	Peer   wob.NodeID `json:"peer"`
	Speed  float64    `json:"speed"` // effort per second and slot, or a benchmark before the first WOB
	Cores  int        `json:"cores"`
	Memory int64      `json:"memory"` // bytes
	GPUs   int        `json:"gpus"`
	OS     string     `json:"os"`
	Arch   string     `json:"arch"`
}

// Parameters and results, one pair a method.
type (
	// WOBParams go with OnWOBInit and OnWOBChildFinished.
	WOBParams struct {
		WOB WOB `json:"wob"`
	}
	// ComputeResult answers OnCompute.
	ComputeResult struct {
		Done bool `json:"done"`
	}
	// Packed answers OnCheckpoint and OnAppExit: the state to resume from, at one instant.
	Packed struct {
		Checkpoint wob.Raw    `json:"checkpoint"`
		Result     wob.Raw    `json:"result"`
		Effort     wob.Effort `json:"effort"`
		Meta       wob.Raw    `json:"meta"`
	}
	// Speed is one side of the ratio by which an offer is sized.
	Speed struct {
		Speed float64 `json:"speed"`
	}
	// Request is what another node asks for.
	Request struct {
		ID   string   `json:"id"`
		Node NodeSpec `json:"node"`
	}
	// RequestParams go with OnWOBRequest.
	RequestParams struct {
		Request Request `json:"request"`
		Self    Speed   `json:"self"`
	}
	// Offer is a locked part of the WOB.
	Offer struct {
		ID     string  `json:"id"`
		Effort float64 `json:"effort"`
	}
	// RequestResult answers OnWOBRequest; a nil offer means nothing to give.
	RequestResult struct {
		Offer *Offer `json:"offer"`
	}
	// OfferParams go with OnWOBOfferAck and OnWOBOfferRelease (Child empty there).
	OfferParams struct {
		Offer string `json:"offer"`
		Child wob.ID `json:"child,omitempty"`
	}
	// NewChild is the part that left the WOB.
	NewChild struct {
		Boundary   wob.Raw    `json:"boundary"`
		Checkpoint wob.Raw    `json:"checkpoint"`
		Effort     wob.Effort `json:"effort"`
		Meta       wob.Raw    `json:"meta"`
	}
	// OfferAckResult answers OnWOBOfferAck.
	OfferAckResult struct {
		Child NewChild `json:"child"`
	}
	// ChildParams go with OnWOBChildAck.
	ChildParams struct {
		Child wob.ID `json:"child"`
	}
	// ReturnParams go with OnWOBChildReturn: what the child was born with.
	ReturnParams struct {
		Child      wob.ID  `json:"child"`
		Boundary   wob.Raw `json:"boundary"`
		Checkpoint wob.Raw `json:"checkpoint"`
	}
	// Backup tells what a lost child could resume from.
	Backup struct {
		Version uint64     `json:"version"`
		Effort  wob.Effort `json:"effort"`
	}
	// LostParams go with OnWOBChildLost.
	LostParams struct {
		Child  wob.ID  `json:"child"`
		Backup *Backup `json:"backup"`
	}
	// LostResult answers OnWOBChildLost with one of the Action constants.
	LostResult struct {
		Action string `json:"action"`
	}
	// MsgParams go with OnWOBMsg.
	MsgParams struct {
		From wob.ID  `json:"from"`
		Data wob.Raw `json:"data"`
	}
	// StartParams is what the application says of itself.
	StartParams struct {
		Protocol int    `json:"protocol"`
		App      string `json:"app"`
		Version  string `json:"version"`
		SDK      string `json:"sdk"`
		Threads  int    `json:"threads"`
		Finish   string `json:"finish"`
	}
	// StartResult answers Start.
	StartResult struct {
		Slot    int     `json:"slot"`
		Project string  `json:"project"`
		Params  wob.Raw `json:"params"`
	}
	// FinishedParams go with WOBFinished.
	FinishedParams struct {
		Result wob.Raw `json:"result"`
	}
	// IDParams go with WOBQuery, WOBLocQuery and WOBReqBackup.
	IDParams struct {
		ID wob.ID `json:"id"`
	}
	// Location is where a WOB was last known to be.
	Location struct {
		Peer    wob.NodeID `json:"peer"`
		Addrs   []string   `json:"addrs"`
		Fresh   bool       `json:"fresh"`
		Epoch   uint64     `json:"epoch"`
		Version uint64     `json:"version"`
	}
	// LocationResult answers WOBLocQuery.
	LocationResult struct {
		Location Location `json:"location"`
	}
	// QueryResult answers WOBQuery and (without location) WOBReqBackup.
	QueryResult struct {
		WOB      WOB       `json:"wob"`
		Location *Location `json:"location,omitempty"`
	}
	// SendParams go with WOBMsg.
	SendParams struct {
		To   wob.ID  `json:"to"`
		Data wob.Raw `json:"data"`
	}
	// ProgressParams go with Progress.
	ProgressParams struct {
		Effort wob.Effort `json:"effort"`
		Text   string     `json:"text"`
	}
)

// Actions for a lost child (answers to OnWOBChildLost).
const (
	ActionRecover = "recover"
	ActionWait    = "wait"
	ActionReclaim = "reclaim"
)
