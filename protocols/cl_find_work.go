package protocols

import "github.com/wobcompute/wobcompute/wob"

// FindWork asks the supervisor where work can be had.
type FindWork struct {
	Request  string       `json:"request"`         // correlates the answer
	Apps     []string     `json:"apps"`            // applications the asker can run
	Slots    int          `json:"slots"`           // free slots
	Avoid    []wob.NodeID `json:"avoid,omitempty"` // holders that had nothing to give just now
	Workload Workload     `json:"workload"`
}

var _ = Define[FindWork]("CL_FIND_WORK", Rules{MaxBytes: 16 << 10, From: FromMember,
	Reply: []Kind{"CL_WORK_AT"}})

// Kind returns CL_FIND_WORK.
func (FindWork) Kind() Kind { return "CL_FIND_WORK" }

// Validate checks the bounds of every field; see FieldError.
func (m FindWork) Validate() error {
	var c checker
	c.token("request", m.Request, maxName)
	c.names("apps", m.Apps, maxApps)
	c.atLeast("slots", int64(m.Slots), 0)
	c.nodes("avoid", m.Avoid, maxAvoid)
	return c.err
}
