// Package protocols is the wire contract of WOBCompute (paper, section 3.2): the
// envelope of Table 1, the catalogue of messages, one file each, their limits and who
// may send them. Everything that must know the messages (decoder, limits, dispatch,
// fuzzing, metrics, docs/messages.md) is derived from the catalogue.
//
// The package is pure; the libp2p binding is protocols/stream.
package protocols

//go:generate go run ./gen

import "github.com/wobcompute/wobcompute/wob"

// Kind names a message type, prefixed by who handles it (paper, section 3.2).
type Kind string

// Prefix groups kinds by handler: one libp2p protocol per prefix.
type Prefix string

// The four prefixes. The overlay machine owns NODE_ and CL_, the work machine owns
// WOB_ and passes APP_ through to applications.
const (
	PrefixNode Prefix = "NODE"
	PrefixCL   Prefix = "CL"
	PrefixWOB  Prefix = "WOB"
	PrefixApp  Prefix = "APP"
)

// Sender says who may send a kind. It is data, checked in one place (see Rules).
type Sender uint8

// Senders, from anyone to the primary of the receiver's own cluster.
const (
	FromAnyone     Sender = iota // any admitted node of the project
	FromMember                   // a node attached to the receiver
	FromSupervisor               // a supervisor in the receiver's current view
	FromPrimary                  // the first live supervisor of that view
)

// Rules are a kind's limits, as data. What a kind is for stands once: in its type's doc comment,
// from which docs/messages.md is generated.
type Rules struct {
	MaxBytes int    // of the encoded body, WOBs not counted
	WOBs     int    // how many WOBs it may carry
	From     Sender // who may send it
	Reply    []Kind // what answers it, empty for none
}

// Body is the typed content of one message. A body is a plain value: no pointers into
// a machine, safe to share once sent.
type Body interface {
	Kind() Kind
	Validate() error
}

// Carrier is a body that carries WOBs. They travel beside the body, so that routing
// and the decoding of an envelope never parse them.
type Carrier interface {
	Body
	Carried() []*wob.WOB
	// WithCarried returns the body holding ws; a wrong number of WOBs is an error.
	WithCarried(ws []*wob.WOB) (Body, error)
}

// Message is what the machines exchange: a typed body and the parts of the envelope
// that decisions need. From is authenticated: it is the stream's peer.
type Message struct {
	From    wob.NodeID
	To      wob.NodeID
	Relayed bool // arrived over a relay circuit
	Body    Body
}
