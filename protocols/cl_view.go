package protocols

// ViewIs advertises the cluster's view to members and supervisors after a change, and to anybody
// who shows an older epoch (paper, section 3.1.1).
type ViewIs struct {
	View     View     `json:"view"`
	Workload Workload `json:"workload"`
}

var _ = Define[ViewIs]("CL_VIEW", Rules{MaxBytes: 1 << 20, From: FromAnyone})

// Kind returns CL_VIEW.
func (ViewIs) Kind() Kind { return "CL_VIEW" }

// Validate checks the bounds of every field; see FieldError.
func (m ViewIs) Validate() error {
	var c checker
	c.view("view", &m.View)
	return c.err
}
