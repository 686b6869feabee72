package protocols

// AppFailed says that the receiver does not run the WOB, with the newest location it knows
// (paper, section 3.4.2: delivery failure).
type AppFailed struct {
	Token  uint64 `json:"token"`
	Reason string `json:"reason"`
	Entry  *Entry `json:"entry,omitempty"`
}

var _ = Define[AppFailed]("APP_FAILED", Rules{MaxBytes: 16 << 10, From: FromAnyone})

// Kind returns APP_FAILED.
func (AppFailed) Kind() Kind { return "APP_FAILED" }

// Validate checks the bounds of every field; see FieldError.
func (m AppFailed) Validate() error {
	var c checker
	c.text("reason", m.Reason, maxText)
	if m.Entry != nil {
		c.entry("entry", m.Entry)
	}
	return c.err
}
