// Package sdk lets a Go program be an application of WOBCompute: it turns the messages of the
// application protocol into the callbacks of the paper (section 3.4.7) and offers the paper's
// functions through Node.
//
// Three levels, from least to most work for the author:
//
//   - Range: the job is a range of integers, any part of which can be computed alone. Give a
//     function for a part and one that merges two results; splitting, checkpoints, resuming and
//     merging are done.
//   - Tree: the job is a search tree, however uneven. Give a function that expands a node and
//     one that solves a whole subtree.
//   - App: anything else, callback by callback.
//
// Whatever the application prints goes to standard error, the log: Run points os.Stdout there,
// because the protocol needs the real one.
package sdk

import (
	"errors"

	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// The protocol's types, under the names an application needs.
type (
	WOB        = appapi.WOB
	Packed     = appapi.Packed
	Effort     = wob.Effort
	Raw        = wob.Raw
	Request    = appapi.Request
	Speed      = appapi.Speed
	Offer      = appapi.Offer
	NewChild   = appapi.NewChild
	Backup     = appapi.Backup
	Location   = appapi.Location
	StartInfo  = appapi.StartResult
	ID         = wob.ID
	LostAction string
)

// What to do with a lost child.
const (
	Recover LostAction = appapi.ActionRecover // resume it from its backup
	Wait    LostAction = appapi.ActionWait    // ask again in a minute
	Reclaim LostAction = appapi.ActionReclaim // its part comes back by OnWOBChildReturn
)

// App is what every application implements. Unless the option Concurrent is given, no two
// callbacks run at once: while OnCompute runs, the others run inside its calls of CanCompute,
// so it should call that at least every 100 ms.
type App interface {
	// OnWOBInit takes the data of the WOB to compute, from its checkpoint and result if it has
	// a checkpoint, else from its boundary. Whatever was computed before is forgotten.
	OnWOBInit(w *WOB) error
	// OnCompute computes until the WOB's own part is complete (true) or CanCompute turns
	// false (false). It may be called again after either. Special hardware is taken at its
	// start and released before it returns.
	OnCompute(n *Node) (done bool, err error)
	// OnCheckpoint packs the state to resume from, as it is at one instant.
	OnCheckpoint() (Packed, error)
}

// The callbacks below are optional, but one that answers offers implements all of Splitter.
type (
	// Starter is told once, after Start was answered and before everything else.
	Starter interface{ OnStart(n *Node) error }
	// Exiter packs for the last time (paper: OnAppExit). Without it OnCheckpoint does.
	Exiter interface{ OnAppExit() (Packed, error) }
	// Splitter gives parts of its WOB away and takes results and lost parts back.
	Splitter interface {
		// OnWOBRequest offers a part, sized by the ratio of the two speeds, and locks it;
		// nil when there is nothing to give. One offer at a time is open.
		OnWOBRequest(r Request, self Speed) (*Offer, error)
		// OnWOBOfferAck removes the offered part from the WOB in this instant and returns
		// it as a child. ErrUnknownOffer if it is not open: then nothing changes.
		OnWOBOfferAck(offer string, child ID) (NewChild, error)
		// OnWOBOfferRelease unlocks the part.
		OnWOBOfferRelease(offer string)
		// OnWOBChildReturn gives a part back whole, as it was born; it is not computed here
		// but in the next (or the open) OnCompute.
		OnWOBChildReturn(child ID, boundary, checkpoint Raw) error
		// OnWOBChildFinished merges a child's result into this WOB's.
		OnWOBChildFinished(w *WOB) error
	}
	// ChildAcker is told that a child runs elsewhere.
	ChildAcker interface{ OnWOBChildAck(child ID) }
	// LostDecider decides what becomes of a lost child; backup is nil if it has none.
	// Without it: Recover if there is a backup, else Reclaim.
	LostDecider interface {
		OnWOBChildLost(child ID, backup *Backup) LostAction
	}
	// MsgReceiver gets the messages that applications send by WOBMsg.
	MsgReceiver interface{ OnWOBMsg(from ID, data Raw) }
)

// Errors of the protocol.
var (
	ErrUnknownOffer  = errors.New("no such offer is open")
	ErrUnknownWOB    = errors.New("WOB unknown to all")           // -32004
	ErrUnanswered    = errors.New("not answered by all clusters") // -32005
	ErrUndeliverable = errors.New("message not deliverable")      // -32010
	ErrChildOut      = errors.New("a child is still out")         // -32020
	ErrClosed        = errors.New("the middleware is gone")
)
