package wob

import "slices"

// Clone returns a copy that shares nothing that can change: a snapshot of w. Fields of
// a newer version are in the copy too.
func (w *WOB) Clone() *WOB {
	c := *w
	c.Children = slices.Clone(w.Children)
	c.Failures = slices.Clone(w.Failures)
	return &c
}
