// Package overlay is the topology machine of WOBCompute (paper, sections 3.1 and 3.3):
// it joins a cluster, keeps its supervisors, members and WOB index, answers location
// queries and says where work can be had.
//
// The package is pure. A driver steps the machine with inputs and carries out its
// effects; see Machine. It owns the NODE_ and CL_ messages.
package overlay

import (
	"time"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Input is what a driver tells the machine. All inputs are plain values.
type Input interface{ isInput() }

// The inputs of the machine.
type (
	// Start begins the join. Previous holds the supervisors of the last cluster this
	// node was in, for when the gateway is unreachable (paper, section 3.3).
	Start struct{ Previous protocols.View }
	// Wake says that a deadline has come; early wakes are no-ops.
	Wake struct{}
	// Receive delivers a NODE_ or CL_ message, or a gossiped index update.
	Receive struct{ Msg protocols.Message }
	// PeerUp says that the handshake with a peer is complete.
	PeerUp struct {
		Peer  wob.NodeID
		Hello protocols.Hello
	}
	// PeerDown says that no connection to the peer is left.
	PeerDown struct{ Peer wob.NodeID }
	// SendFailed says that a message could not be sent to the peer.
	SendFailed struct{ Peer wob.NodeID }
	// GatewayClusters answers AskGateway.
	GatewayClusters struct {
		Err      string // not empty: the gateway was not reached
		Answer   string // list | found | wait
		Clusters []Candidate
		Lease    string        // found: the lease to name in the first status
		Retry    time.Duration // wait
	}
	// StatusAnswer answers ReportStatus. Epoch is the one the gateway holds.
	StatusAnswer struct {
		Err      string // not empty: the gateway was not reached
		Accepted bool   // false: the compare-and-swap failed, Epoch says why
		Epoch    uint64
		Workload uint64 // the gateway's part of the workload level
	}
	// Hold announces or changes a WOB that this node holds. Seq is filled in by the machine.
	Hold struct{ Entry protocols.Entry }
	// Release removes a WOB that this node held. Gone leaves a tombstone; without it the
	// WOB merely moved elsewhere.
	Release struct {
		Entry protocols.Entry
		Gone  bool
	}
	// Idle tells how many slots are free.
	Idle struct{ Slots int }
	// Find asks where work can be had; answered by the event WorkAt with the same request.
	Find struct {
		Request string
		Apps    []string
		Slots   int
		Avoid   []wob.NodeID
	}
	// Locate asks where a WOB is; answered by the event Located with the same token.
	Locate struct {
		Token uint64
		WOB   wob.ID
	}
	// WorkAvailable raises the workload level: this node has work to give again.
	WorkAvailable struct{ WOB wob.ID }
	// GatewayWorkload tells the gateway's workload level, from the node beside it.
	GatewayWorkload struct{ Level uint64 }
	// Leave says good-bye to the cluster; the event Left follows.
	Leave struct{}
)

// Candidate is one cluster of the gateway's list, best first.
type Candidate struct {
	Cluster     protocols.ClusterID
	Supervisors []protocols.Supervisor
}

// Effect is what the machine asks its driver to do, in order.
type Effect interface{ isEffect() }

// The effects of the machine.
type (
	// Send sends a body to a node; Addrs may be empty when a connection exists.
	Send struct {
		To    wob.NodeID
		Addrs []string
		Body  protocols.Body
	}
	// Publish gossips an index update among the supervisors of the cluster.
	Publish struct {
		Cluster protocols.ClusterID
		Body    protocols.Body
	}
	// Subscribe joins the cluster's index topic; Unsubscribe leaves it.
	Subscribe   struct{ Cluster protocols.ClusterID }
	Unsubscribe struct{ Cluster protocols.ClusterID }
	// Connect dials a peer in the background; PeerUp or SendFailed follows.
	Connect struct {
		Peer  wob.NodeID
		Addrs []string
	}
	// AskGateway asks the gateway where to join; GatewayClusters answers.
	AskGateway struct{}
	// ReportStatus tells the gateway the cluster's state; StatusAnswer answers. It is a
	// compare-and-swap: the gateway accepts a view whose epoch is above the one it holds,
	// or equal to it with the same supervisors.
	ReportStatus struct{ Status Status }
	// Report is a fact for logs, metrics, pages and the node's other machine.
	Report struct{ Event Event }
)

// Status is a cluster's report to the gateway (paper, section 3.3).
type Status struct {
	View     protocols.View
	Lease    string // of the founding, in the first report
	Members  int    // nodes of the cluster, supervisors included
	Capacity int    // members it can hold in all
	Idle     int    // free slots
	Work     int    // WOBs with work remaining
	Workload protocols.Workload
}

// Event is a fact the machine reports.
type Event interface{ isEvent() }

// The events of the machine.
type (
	// Joined says that the node is in a cluster, attached to a supervisor (itself if it is one).
	Joined struct {
		Cluster    protocols.ClusterID
		Supervisor wob.NodeID
	}
	// Isolated says that every supervisor of the cluster was lost; the node joins anew.
	Isolated struct{ Cluster protocols.ClusterID }
	// ViewChanged tells the cluster's view and which of its supervisors are believed alive.
	// The work machine chooses backup holders from Live.
	ViewChanged struct {
		View       protocols.View
		Live       []wob.NodeID // in view order
		Supervisor bool         // this node is one of them
		Primary    bool         // and the first live one
	}
	// Elected and Removed say that a supervisor entered or left the view.
	Elected struct {
		Node  wob.NodeID
		Epoch uint64
	}
	Removed struct {
		Node  wob.NodeID
		Epoch uint64
	}
	// MemberUp and MemberDown say that a member attached to this supervisor or was lost.
	MemberUp   struct{ Node wob.NodeID }
	MemberDown struct {
		Node   wob.NodeID
		Reason string
	}
	// Located answers Locate.
	Located struct {
		Token  uint64
		WOB    wob.ID
		Answer protocols.Answer
		Entry  protocols.Entry // when found
	}
	// WorkAt answers Find.
	WorkAt struct {
		Request string
		Places  []protocols.WorkAt
		Gateway bool
		Busy    bool
	}
	// WorkloadRose says that work became available: idle nodes ask again.
	WorkloadRose struct{ Workload protocols.Workload }
	// EntryGone says that a WOB has a tombstone; this supervisor drops its snapshots.
	EntryGone struct{ Entry protocols.Entry }
	// ChildrenLost hints that the holder of these WOBs went missing; this node holds a parent.
	ChildrenLost struct{ Entries []protocols.Entry }
	// NewerKnown says that a newer incarnation of a WOB held here exists.
	NewerKnown struct{ Entry protocols.Entry }
	// Rejected counts a message that was refused, and why.
	Rejected struct {
		From   wob.NodeID
		Kind   protocols.Kind
		Reason string
	}
	// Left says that the node left its cluster after Leave.
	Left struct{}
)

func (Start) isInput()           {}
func (Wake) isInput()            {}
func (Receive) isInput()         {}
func (PeerUp) isInput()          {}
func (PeerDown) isInput()        {}
func (SendFailed) isInput()      {}
func (GatewayClusters) isInput() {}
func (StatusAnswer) isInput()    {}
func (Hold) isInput()            {}
func (Release) isInput()         {}
func (Idle) isInput()            {}
func (Find) isInput()            {}
func (Locate) isInput()          {}
func (WorkAvailable) isInput()   {}
func (GatewayWorkload) isInput() {}
func (Leave) isInput()           {}

func (Send) isEffect()         {}
func (Publish) isEffect()      {}
func (Subscribe) isEffect()    {}
func (Unsubscribe) isEffect()  {}
func (Connect) isEffect()      {}
func (AskGateway) isEffect()   {}
func (ReportStatus) isEffect() {}
func (Report) isEffect()       {}

func (Joined) isEvent()       {}
func (Isolated) isEvent()     {}
func (ViewChanged) isEvent()  {}
func (Elected) isEvent()      {}
func (Removed) isEvent()      {}
func (MemberUp) isEvent()     {}
func (MemberDown) isEvent()   {}
func (Located) isEvent()      {}
func (WorkAt) isEvent()       {}
func (WorkloadRose) isEvent() {}
func (EntryGone) isEvent()    {}
func (ChildrenLost) isEvent() {}
func (NewerKnown) isEvent()   {}
func (Rejected) isEvent()     {}
func (Left) isEvent()         {}
