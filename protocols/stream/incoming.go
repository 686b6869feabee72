package stream

import (
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Incoming is what the binding tells its node: one of the types below. They come from many
// goroutines; those about one peer's being up or down come in order, and what a peer sent comes
// after its PeerUp; the last of it may come after its PeerDown.
type Incoming interface{ incoming() }

// Received is a message that passed every check of form: its sender is the peer it names.
type Received struct {
	Msg   protocols.Message
	Bytes int // on the wire
}

// PeerUp says that the handshake with a peer is complete. It is repeated when the peer's Hello, or
// whether it is reached through a relay, changes.
type PeerUp struct {
	Peer    wob.NodeID
	Hello   protocols.Hello
	Relayed bool // the connection is a circuit through a relay
}

// PeerDown says that no connection of any kind to a peer that was up is left.
type PeerDown struct{ Peer wob.NodeID }

// SendFailed says that a message was not sent. For a failed Connect the kind is NODE_HELLO.
type SendFailed struct {
	To   wob.NodeID
	Kind protocols.Kind
	Err  error
}

// Rejected says that a peer broke the protocol. Kind is empty if it was not known, and never one that is
// not in the catalogue, so that it may label a counter.
type Rejected struct {
	From   wob.NodeID
	Kind   protocols.Kind
	Reason string // for people
}

func (Received) incoming()   {}
func (PeerUp) incoming()     {}
func (PeerDown) incoming()   {}
func (SendFailed) incoming() {}
func (Rejected) incoming()   {}
