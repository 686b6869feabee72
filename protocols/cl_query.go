package protocols

import "github.com/wobcompute/wobcompute/wob"

// Query asks where a WOB is (paper, section 3.1.1: only supervisors are searched).
type Query struct {
	Query string `json:"query"` // correlates the answer
	WOB   wob.ID `json:"wob"`
}

var _ = Define[Query]("CL_QUERY", Rules{MaxBytes: 4 << 10, From: FromAnyone,
	Reply: []Kind{"CL_ANSWER"}})

// Kind returns CL_QUERY.
func (Query) Kind() Kind { return "CL_QUERY" }

// Validate checks the bounds of every field; see FieldError.
func (m Query) Validate() error {
	var c checker
	c.token("query", m.Query, maxName)
	c.wob("wob", m.WOB, false)
	return c.err
}
