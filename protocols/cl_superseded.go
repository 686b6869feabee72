package protocols

// Superseded answers an update about a WOB of which a newer incarnation is known.
type Superseded struct {
	Entry Entry `json:"entry"` // the newest known
}

var _ = Define[Superseded]("CL_SUPERSEDED", Rules{MaxBytes: 16 << 10, From: FromAnyone})

// Kind returns CL_SUPERSEDED.
func (Superseded) Kind() Kind { return "CL_SUPERSEDED" }

// Validate checks the bounds of every field; see FieldError.
func (m Superseded) Validate() error {
	var c checker
	c.entry("entry", &m.Entry)
	return c.err
}
