package protocols

// LostHint tells the holder of a parent that the holder of its children went missing. It is a
// hint: the receiver asks before it acts.
type LostHint struct {
	Entries []Entry `json:"entries"` // the children, marked stale
}

var _ = Define[LostHint]("CL_LOST", Rules{MaxBytes: 1 << 20, From: FromAnyone})

// Kind returns CL_LOST.
func (LostHint) Kind() Kind { return "CL_LOST" }

// Validate checks the bounds of every field; see FieldError.
func (m LostHint) Validate() error {
	var c checker
	c.entries("entries", m.Entries)
	return c.err
}
