// Package work is the work machine of WOBCompute: it asks for work, splits what a
// node holds for others, checkpoints, moves, finishes, merges and recovers WOBs
// (paper, sections 3 and 3.4) under the rules S1-S5 of package wob.
//
// The package is pure. A driver steps the machine with inputs and carries out its
// effects; see Machine. It owns the WOB_ messages and passes APP_ through.
package work

import (
	"time"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// Input is what a driver tells the machine. All inputs are plain values; WOBs behind
// pointers are never changed after they were handed over, in either direction.
type Input interface{ isInput() }

// Inputs from the driver and from the node's store.
type (
	// Start begins the machine's life with what the local store held: these WOBs are
	// asked about before they are computed again (paper, section 3.4.4).
	Start struct{ Held []*wob.WOB }
	// Wake says that a deadline has come; early wakes are no-ops.
	Wake struct{}
	// Receive delivers a WOB_ or APP_ message.
	Receive struct{ Msg protocols.Message }
	// PeerDown says that no connection to the peer is left.
	PeerDown struct{ Peer wob.NodeID }
	// SendFailed says that a message of this kind could not be sent.
	SendFailed struct {
		Peer wob.NodeID
		Kind protocols.Kind
	}
	// Stored answers Store: the batch is on disk (fsynced if Sync was asked).
	Stored struct {
		Token uint64
		Err   string
		Newer []*wob.WOB // backups that were refused because a newer one is stored: the newer ones' headers
	}
	// Loaded answers Load.
	Loaded struct {
		Token uint64
		WOB   *wob.WOB // nil if there is none
		Gone  bool     // a tombstone
	}
	// Pause stops computing and asking; what runs is suspended, packed and offered whole
	// to others. Resume takes work again.
	Pause  struct{}
	Resume struct{}
	// Leave packs everything, stores it and hands it over; the event Left follows within
	// Grace whatever happens.
	Leave struct{ Grace time.Duration }
)

// Inputs from the overlay machine, forwarded by the driver.
type (
	// View tells which supervisors are alive, in view order. Empty Live or not Joined: cut off.
	View struct {
		Live       []wob.NodeID
		Joined     bool
		Supervisor bool // this node is one: it stores backups for others
	}
	// WorkAt answers Find.
	WorkAt struct {
		Request string
		Places  []protocols.WorkAt
		Gateway bool
		Busy    bool
	}
	// Located answers Locate.
	Located struct {
		Token  uint64
		WOB    wob.ID
		Answer protocols.Answer
		Entry  protocols.Entry
	}
	// WorkloadRose says that work became available somewhere.
	WorkloadRose struct{}
	// EntryGone says that a WOB has a tombstone: its backups can go.
	EntryGone struct{ Entry protocols.Entry }
	// ChildrenLost hints that holders of these WOBs went missing.
	ChildrenLost struct{ Entries []protocols.Entry }
	// NewerKnown says that a newer incarnation of a WOB held here exists.
	NewerKnown struct{ Entry protocols.Entry }
)

// Inputs from the gateway, answers to the effects of the same names.
type (
	// GatewayWork answers TakeWork: WOB is nil if there was none.
	GatewayWork struct {
		Token uint64
		Err   string
		WOB   *wob.WOB
		Lease time.Duration
	}
	// GatewayAnswer answers RenewLease, ReleaseLease, PutResult and PutFailsafe.
	GatewayAnswer struct {
		Token  uint64
		Err    string // not empty: not reached, try again
		Status int    // HTTP status: 200, 409 superseded, 410 cancelled, ...
		Lease  time.Duration
	}
)

// Inputs from the application manager.
type (
	// Apps tells the installed applications.
	Apps struct{ Installed []App }
	// AppUp says that a process called Start.
	AppUp struct {
		Proc  int
		Gen   uint64
		Start appapi.StartParams
	}
	// AppDown says that a process and its descendants are gone.
	AppDown struct {
		Proc int
		Gen  uint64
		Err  string // empty after StopProc
		Log  string // last lines of standard error
	}
	// AppReply answers Call.
	AppReply struct {
		Proc   int
		Gen    uint64
		Call   uint64
		Result wob.Raw
		Code   int // JSON-RPC error code, 0 for a result
		Err    string
	}
	// AppRequest is a call by the application; answered by the effect Answer.
	AppRequest struct {
		Proc   int
		Gen    uint64
		ID     wob.Raw
		Method string
		Params wob.Raw
	}
	// AppNote is a notification by the application.
	AppNote struct {
		Proc   int
		Gen    uint64
		Method string
		Params wob.Raw
	}
)

// App is an installed application.
type App struct {
	Name       string
	Version    string
	Threads    int           // slots one process takes
	Checkpoint time.Duration // interval, a project setting (paper, section 3.4.7)
}

// Effect is what the machine asks its driver to do, in order.
type Effect interface{ isEffect() }

// Effects on the network, the store and the gateway.
type (
	// Send sends a body to a node; Addrs may be empty when a connection exists or the
	// node is known.
	Send struct {
		To    wob.NodeID
		Addrs []string
		Body  protocols.Body
	}
	// Store writes one atomic batch; Stored answers with the same token. Sync asks for
	// fsync before the answer.
	Store struct {
		Token       uint64
		Hold        []*wob.WOB // own WOBs
		Drop        []wob.ID
		Backups     []*wob.WOB        // snapshots kept for others; older than the stored one are refused
		DropBackups []protocols.Entry // tombstones: delete and remember
		Sync        bool
	}
	// Load reads the newest backup of a WOB from the local store; Loaded answers.
	Load struct {
		Token uint64
		WOB   wob.ID
	}
	// TakeWork asks the gateway to lend a root or failsafe WOB.
	TakeWork struct {
		Token uint64
		Apps  []string
	}
	// RenewLease renews a root's lease; ReleaseLease hands the root back.
	RenewLease struct {
		Token  uint64
		Stamp  wob.Stamp
		ID     wob.ID
		Effort wob.Effort
	}
	ReleaseLease struct {
		Token uint64
		ID    wob.ID
		Inc   wob.Incarnation
	}
	// PutResult delivers a finished, failed or cancelled root.
	PutResult struct {
		Token uint64
		WOB   *wob.WOB
	}
	// PutFailsafe stores a WOB with the gateway.
	PutFailsafe struct {
		Token uint64
		WOB   *wob.WOB
	}
)

// Effects on the overlay machine; the inputs of the same names there tell their meaning.
type (
	// Hold announces a WOB held here, or its change.
	Hold struct{ Entry protocols.Entry }
	// Release withdraws it; Gone leaves a tombstone.
	Release struct {
		Entry protocols.Entry
		Gone  bool
	}
	// Idle tells the number of free slots.
	Idle struct{ Slots int }
	// Find asks where work can be had.
	Find struct {
		Request string
		Apps    []string
		Slots   int
		Avoid   []wob.NodeID
	}
	// Locate asks where a WOB is.
	Locate struct {
		Token uint64
		WOB   wob.ID
	}
	// WorkAvailable raises the workload level.
	WorkAvailable struct{ WOB wob.ID }
)

// Effects on the application manager. Processes are numbered from 0; a generation tells
// the processes that had one number apart.
type (
	// StartProc starts an application; AppUp or AppDown follows.
	StartProc struct {
		Proc int
		Gen  uint64
		App  string // name
	}
	// Call calls a method; AppReply follows unless the process dies. Calls to one
	// process are sent one after the other, OnCompute stays open beside them.
	Call struct {
		Proc   int
		Gen    uint64
		Call   uint64
		Method string
		Params any // a value of package appapi, nil for {}
	}
	// Notify sends a notification.
	Notify struct {
		Proc   int
		Gen    uint64
		Method string
		Params any
	}
	// Answer answers AppRequest: Result, or Code and Message.
	Answer struct {
		Proc    int
		Gen     uint64
		ID      wob.Raw
		Result  any
		Code    int
		Message string
		Data    any // of the error
	}
	// StopProc closes the process's standard input and kills it 5 s later; KillProc kills
	// it at once. AppDown follows either.
	StopProc struct {
		Proc int
		Gen  uint64
	}
	KillProc struct {
		Proc int
		Gen  uint64
	}
	// Report is a fact for logs, metrics, pages and event streams.
	Report struct{ Event Event }
)

// Event is a fact the machine reports.
type Event interface{ isEvent() }

// The events of the machine.
type (
	// Asked and Refused tell the search for work; Received ends it. Waited is the time from
	// the request (not from the first failed one) to the application computing.
	Asked   struct{ Holder wob.NodeID }
	Refused struct {
		Holder wob.NodeID
		Reason string
	}
	Received struct {
		WOB    wob.ID
		From   wob.NodeID // empty: the gateway
		Effort wob.Effort
		Whole  bool
	}
	// Computing says that OnCompute was called for a WOB it was not open for.
	Computing struct {
		WOB    wob.ID
		Proc   int
		Effort wob.Effort
		Waited time.Duration // from the request for it, 0 for a resumption
	}
	// Split says that a child was born, stored and dispatched.
	Split struct {
		WOB, Child wob.ID
		To         wob.NodeID
		Effort     float64
	}
	// Checkpointed says that a snapshot is stored; Copies counts the supervisors that hold it.
	Checkpointed struct {
		WOB     wob.ID
		Version uint64
		Effort  wob.Effort
		Copies  int
	}
	// Progressed tells what the application says of itself.
	Progressed struct {
		WOB    wob.ID
		Effort wob.Effort
		Text   string
	}
	// Waits says that the own part of a WOB is complete and children are out.
	Waits struct {
		WOB wob.ID
		Out int
	}
	// Finished says that a WOB's result is final here; Acked that its parent has merged it.
	Finished struct{ WOB wob.ID }
	Acked    struct {
		WOB     wob.ID
		Verdict string
	}
	// MergedChild says that a child's result is part of the parent, durably.
	MergedChild struct{ Parent, Child wob.ID }
	// Recovered says that a lost WOB was resumed from a backup. Own tells whether the backup
	// had own progress in it.
	Recovered struct {
		WOB    wob.ID
		Inc    wob.Incarnation
		Effort wob.Effort
		Own    bool
	}
	// Reclaimed says that a lost child's part returned to the parent (S5).
	Reclaimed struct{ Parent, Child wob.ID }
	// Moved says that a whole WOB was handed over; Suspended that it was packed here.
	Moved struct {
		WOB wob.ID
		To  wob.NodeID
	}
	Suspended struct {
		WOB    wob.ID
		Effort wob.Effort
	}
	// Dropped says that a copy held here was given up, and why.
	Dropped struct {
		WOB    wob.ID
		Reason string
	}
	// AppFailed says that an application's process failed; GaveUp that its WOB is failed.
	AppFailed struct {
		WOB   wob.ID
		Proc  int
		Error string
		Log   string
	}
	GaveUp struct {
		WOB   wob.ID
		Error string
	}
	// Rejected counts a message that was refused, and why.
	Rejected struct {
		From   wob.NodeID
		Kind   protocols.Kind
		Reason string
	}
	// Left says that everything is packed and handed over, or that the grace is over.
	Left struct{ Kept int } // WOBs that stay in the local store only
)

func (Start) isInput()         {}
func (Wake) isInput()          {}
func (Receive) isInput()       {}
func (PeerDown) isInput()      {}
func (SendFailed) isInput()    {}
func (Stored) isInput()        {}
func (Loaded) isInput()        {}
func (Pause) isInput()         {}
func (Resume) isInput()        {}
func (Leave) isInput()         {}
func (View) isInput()          {}
func (WorkAt) isInput()        {}
func (Located) isInput()       {}
func (WorkloadRose) isInput()  {}
func (EntryGone) isInput()     {}
func (ChildrenLost) isInput()  {}
func (NewerKnown) isInput()    {}
func (GatewayWork) isInput()   {}
func (GatewayAnswer) isInput() {}
func (Apps) isInput()          {}
func (AppUp) isInput()         {}
func (AppDown) isInput()       {}
func (AppReply) isInput()      {}
func (AppRequest) isInput()    {}
func (AppNote) isInput()       {}

func (Send) isEffect()          {}
func (Store) isEffect()         {}
func (Load) isEffect()          {}
func (TakeWork) isEffect()      {}
func (RenewLease) isEffect()    {}
func (ReleaseLease) isEffect()  {}
func (PutResult) isEffect()     {}
func (PutFailsafe) isEffect()   {}
func (Hold) isEffect()          {}
func (Release) isEffect()       {}
func (Idle) isEffect()          {}
func (Find) isEffect()          {}
func (Locate) isEffect()        {}
func (WorkAvailable) isEffect() {}
func (StartProc) isEffect()     {}
func (Call) isEffect()          {}
func (Notify) isEffect()        {}
func (Answer) isEffect()        {}
func (StopProc) isEffect()      {}
func (KillProc) isEffect()      {}
func (Report) isEffect()        {}

func (Asked) isEvent()        {}
func (Refused) isEvent()      {}
func (Received) isEvent()     {}
func (Computing) isEvent()    {}
func (Split) isEvent()        {}
func (Checkpointed) isEvent() {}
func (Progressed) isEvent()   {}
func (Waits) isEvent()        {}
func (Finished) isEvent()     {}
func (Acked) isEvent()        {}
func (MergedChild) isEvent()  {}
func (Recovered) isEvent()    {}
func (Reclaimed) isEvent()    {}
func (Moved) isEvent()        {}
func (Suspended) isEvent()    {}
func (Dropped) isEvent()      {}
func (AppFailed) isEvent()    {}
func (GaveUp) isEvent()       {}
func (Rejected) isEvent()     {}
func (Left) isEvent()         {}
