package protocols

// Leave says good-bye: the sender leaves the cluster on purpose.
type Leave struct {
	MemberSeq uint64 `json:"memberSeq"`
	Reason    string `json:"reason,omitempty"`
}

var _ = Define[Leave]("NODE_LEAVE", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns NODE_LEAVE.
func (Leave) Kind() Kind { return "NODE_LEAVE" }

// Validate checks the bounds of every field; see FieldError.
func (m Leave) Validate() error {
	var c checker
	c.text("reason", m.Reason, maxText)
	return c.err
}
