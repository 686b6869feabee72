package protocols

import (
	"encoding/json"
	"reflect"

	"github.com/wobcompute/wobcompute/wob"
)

// maxEnvelope bounds the JSON of an envelope, in bytes.
const maxEnvelope = 4 << 10

// Envelope is the message wrapper (paper, Table 1). Separate node ids and addresses identify nodes
// between changes of address.
type Envelope struct {
	ApplicationID string     `json:"applicationID"` // the distributed application: the project
	MessageID     string     `json:"messageID"`     // a UUID
	Type          Kind       `json:"type"`          // prefixed by who handles it
	SenderID      wob.NodeID `json:"senderID"`      // always the peer at the other end of the stream
	SenderAddress string     `json:"senderAddress,omitempty"`
	DestID        wob.NodeID `json:"destID,omitempty"` // empty for a gossiped message
	DestAddress   string     `json:"destAddress,omitempty"`
	Relayed       bool       `json:"relayed,omitempty"` // set by the receiver, when the connection is a circuit

	Data []byte `json:"-"` // the content, JSON: a section of its own, so that routing never looks at it
}

var envelopeShape = shapeOf(reflect.TypeFor[Envelope]())

// Validate checks the bounds of every field.
func (e *Envelope) Validate() error {
	var c checker
	c.token("applicationID", e.ApplicationID, maxName)
	c.that("messageID", wob.ID(e.MessageID).Valid(), ErrNotUUID)
	c.token("type", string(e.Type), maxName)
	c.node("senderID", e.SenderID, false)
	c.tokenIfAny("senderAddress", e.SenderAddress, maxAddr)
	c.node("destID", e.DestID, true)
	c.tokenIfAny("destAddress", e.DestAddress, maxAddr)
	return c.err
}

func decodeEnvelope(b []byte) (Envelope, error) {
	var e Envelope
	if err := strict(b, envelopeShape); err != nil {
		return Envelope{}, err
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return Envelope{}, syntax(err)
	}
	if err := e.Validate(); err != nil {
		return Envelope{}, err
	}
	return e, nil
}
