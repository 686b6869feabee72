package protocols

// Accept makes the sender of Join a member and tells it the cluster's view.
type Accept struct {
	MemberSeq uint64   `json:"memberSeq"` // of the Join it answers
	View      View     `json:"view"`
	Workload  Workload `json:"workload"`
}

var _ = Define[Accept]("NODE_ACCEPT", Rules{MaxBytes: 1 << 20, From: FromAnyone})

// Kind returns NODE_ACCEPT.
func (Accept) Kind() Kind { return "NODE_ACCEPT" }

// Validate checks the bounds of every field; see FieldError.
func (m Accept) Validate() error {
	var c checker
	c.view("view", &m.View)
	return c.err
}
