package protocols

// Detached answers a beat, update or leave of a node that is not a member of the receiver: it
// must join again.
type Detached struct {
	MemberSeq uint64 `json:"memberSeq"`
	Reason    string `json:"reason,omitempty"`
}

var _ = Define[Detached]("NODE_DETACHED", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns NODE_DETACHED.
func (Detached) Kind() Kind { return "NODE_DETACHED" }

// Validate checks the bounds of every field; see FieldError.
func (m Detached) Validate() error {
	var c checker
	c.text("reason", m.Reason, maxText)
	return c.err
}
