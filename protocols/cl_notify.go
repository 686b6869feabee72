package protocols

import "github.com/wobcompute/wobcompute/wob"

// Notify tells the supervisor that the sender has work to give again (paper:
// NotifyWorkloadAvailable).
type Notify struct {
	WOB wob.ID `json:"wob"`
}

var _ = Define[Notify]("CL_NOTIFY", Rules{MaxBytes: 4 << 10, From: FromMember})

// Kind returns CL_NOTIFY.
func (Notify) Kind() Kind { return "CL_NOTIFY" }

// Validate checks the bounds of every field; see FieldError.
func (m Notify) Validate() error {
	var c checker
	c.wob("wob", m.WOB, false)
	return c.err
}
