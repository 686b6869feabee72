package protocols

import "github.com/wobcompute/wobcompute/wob"

// StatusAck answers Status. A child that the newest parent does not list stops early.
type StatusAck struct {
	Child  wob.ID          `json:"child"`
	Parent wob.ID          `json:"parent"`
	Inc    wob.Incarnation `json:"inc"`    // the parent's; heeded only from the newest known
	Holds  bool            `json:"holds"`  // the receiver holds the parent
	Listed bool            `json:"listed"` // the child is in its table and not merged
	Newest wob.Incarnation `json:"newest"` // of the child, as the parent knows it
}

var _ = Define[StatusAck]("WOB_STATUS_ACK", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns WOB_STATUS_ACK.
func (StatusAck) Kind() Kind { return "WOB_STATUS_ACK" }

// Validate checks the bounds of every field; see FieldError.
func (m StatusAck) Validate() error {
	var c checker
	c.wob("child", m.Child, false)
	c.wob("parent", m.Parent, false)
	c.incarnation("inc", m.Inc)
	c.incarnation("newest", m.Newest)
	return c.err
}
