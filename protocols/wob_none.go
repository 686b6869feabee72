package protocols

// None declines a Request, or withdraws an offer that could not be kept.
type None struct {
	Request string `json:"request"`
	Reason  string `json:"reason"` // busy | small | none | leaving
}

var _ = Define[None]("WOB_NONE", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns WOB_NONE.
func (None) Kind() Kind { return "WOB_NONE" }

// Validate checks the bounds of every field; see FieldError.
func (m None) Validate() error {
	var c checker
	c.token("request", m.Request, maxName)
	c.text("reason", m.Reason, maxText)
	return c.err
}
