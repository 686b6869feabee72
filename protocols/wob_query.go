package protocols

import "github.com/wobcompute/wobcompute/wob"

// Fetch asks the holder of a WOB for a copy to read (paper: WOBQuery).
type Fetch struct {
	Token uint64 `json:"token"`
	WOB   wob.ID `json:"wob"`
}

var _ = Define[Fetch]("WOB_QUERY", Rules{MaxBytes: 4 << 10, From: FromAnyone,
	Reply: []Kind{"WOB_INFO"}})

// Kind returns WOB_QUERY.
func (Fetch) Kind() Kind { return "WOB_QUERY" }

// Validate checks the bounds of every field; see FieldError.
func (m Fetch) Validate() error {
	var c checker
	c.wob("wob", m.WOB, false)
	return c.err
}
