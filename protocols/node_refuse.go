package protocols

// Refuse declines a Join; the view names other supervisors to try.
type Refuse struct {
	MemberSeq uint64 `json:"memberSeq"`
	Reason    string `json:"reason"`
	View      View   `json:"view"`
}

var _ = Define[Refuse]("NODE_REFUSE", Rules{MaxBytes: 1 << 20, From: FromAnyone})

// Kind returns NODE_REFUSE.
func (Refuse) Kind() Kind { return "NODE_REFUSE" }

// Validate checks the bounds of every field; see FieldError.
func (m Refuse) Validate() error {
	var c checker
	c.text("reason", m.Reason, maxText)
	c.viewIfAny("view", &m.View)
	return c.err
}
