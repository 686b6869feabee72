package protocols

import "github.com/wobcompute/wobcompute/wob"

// TransferAck confirms that the receiver holds the WOB, or refuses it (paper: OnWOBChildAck).
type TransferAck struct {
	WOB    wob.ID          `json:"wob"`
	Inc    wob.Incarnation `json:"inc"` // of the transfer; when refused, the newest the receiver knows
	OK     bool            `json:"ok"`
	Reason string          `json:"reason,omitempty"`
}

var _ = Define[TransferAck]("WOB_TRANSFER_ACK", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns WOB_TRANSFER_ACK.
func (TransferAck) Kind() Kind { return "WOB_TRANSFER_ACK" }

// Validate checks the bounds of every field; see FieldError.
func (m TransferAck) Validate() error {
	var c checker
	c.wob("wob", m.WOB, false)
	c.incarnation("inc", m.Inc)
	c.text("reason", m.Reason, maxText)
	return c.err
}
