package protocols

import "github.com/wobcompute/wobcompute/wob"

// Status is sent with each checkpoint: a child tells its parent that it lives and asks whether it
// is still listed.
type Status struct {
	Child   wob.ID          `json:"child"`
	Parent  wob.ID          `json:"parent"`
	Inc     wob.Incarnation `json:"inc"` // the child's
	Version uint64          `json:"version"`
	Effort  wob.Effort      `json:"effort"`
}

var _ = Define[Status]("WOB_STATUS", Rules{MaxBytes: 4 << 10, From: FromAnyone,
	Reply: []Kind{"WOB_STATUS_ACK"}})

// Kind returns WOB_STATUS.
func (Status) Kind() Kind { return "WOB_STATUS" }

// Validate checks the bounds of every field; see FieldError.
func (m Status) Validate() error {
	var c checker
	c.wob("child", m.Child, false)
	c.wob("parent", m.Parent, false)
	c.incarnation("inc", m.Inc)
	c.finite("effort.total", m.Effort.Total)
	c.finite("effort.remaining", m.Effort.Remaining)
	return c.err
}
