package protocols

// Commit makes a prepared view current. A new supervisor learns of its election by it.
type Commit struct {
	View     View     `json:"view"`
	Workload Workload `json:"workload"`
}

var _ = Define[Commit]("CL_COMMIT", Rules{MaxBytes: 1 << 20, From: FromAnyone})

// Kind returns CL_COMMIT.
func (Commit) Kind() Kind { return "CL_COMMIT" }

// Validate checks the bounds of every field; see FieldError.
func (m Commit) Validate() error {
	var c checker
	c.view("view", &m.View)
	return c.err
}
