package protocols

import "github.com/wobcompute/wobcompute/wob"

// FinishedAck answers Finished after the parent's snapshot with the merge is stored, or refuses a
// child the parent does not list (S2). Either way the child is done with.
type FinishedAck struct {
	Child   wob.ID          `json:"child"`
	Parent  wob.ID          `json:"parent"`
	Inc     wob.Incarnation `json:"inc"`     // the parent's
	Verdict string          `json:"verdict"` // merged | unknown | elsewhere (the receiver does not hold the parent)
}

var _ = Define[FinishedAck]("WOB_FINISHED_ACK", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns WOB_FINISHED_ACK.
func (FinishedAck) Kind() Kind { return "WOB_FINISHED_ACK" }

// Validate checks the bounds of every field; see FieldError.
func (m FinishedAck) Validate() error {
	var c checker
	c.wob("child", m.Child, false)
	c.wob("parent", m.Parent, false)
	c.incarnation("inc", m.Inc)
	c.that("verdict", m.Verdict == "merged" || m.Verdict == "unknown" || m.Verdict == "elsewhere", ErrUnknownValue)
	return c.err
}
