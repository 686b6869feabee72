package wob

// Born returns the WOB that a child of w starts as: version 0, with what its entry says
// it was born with, for the same application. It is stored before the child is
// dispatched, so that an early death of its first holder is recovered, not reclaimed.
func (w *WOB) Born(c Child) *WOB {
	return &WOB{
		ID: c.ID, App: w.App, Parent: w.ID, Holder: c.Holder, State: Created,
		Boundary: c.Boundary, Checkpoint: c.Birth, Meta: c.Meta, Effort: c.Effort,
	}
}
