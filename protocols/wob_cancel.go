package protocols

import "github.com/wobcompute/wobcompute/wob"

// Cancel travels down the children tables when the owner cancels a root; it never travels
// upwards.
type Cancel struct {
	Parent wob.ID   `json:"parent"`
	WOBs   []wob.ID `json:"wobs"`
}

var _ = Define[Cancel]("WOB_CANCEL", Rules{MaxBytes: 64 << 10, From: FromAnyone})

// Kind returns WOB_CANCEL.
func (Cancel) Kind() Kind { return "WOB_CANCEL" }

// Validate checks the bounds of every field; see FieldError.
func (m Cancel) Validate() error {
	var c checker
	c.wob("parent", m.Parent, false)
	c.wobs("wobs", m.WOBs, maxWOBs)
	return c.err
}
