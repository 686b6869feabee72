package protocols

import "github.com/wobcompute/wobcompute/wob"

// Info answers Fetch with the last snapshot.
type Info struct {
	Token uint64   `json:"token"`
	ID    wob.ID   `json:"id"`
	Found bool     `json:"found"`
	WOB   *wob.WOB `json:"-"` // when found
}

var _ = Define[Info]("WOB_INFO", Rules{MaxBytes: 4 << 10, WOBs: 1, From: FromAnyone})

// Kind returns WOB_INFO.
func (Info) Kind() Kind { return "WOB_INFO" }

// Validate checks the bounds of every field; see FieldError.
func (m Info) Validate() error {
	var c checker
	c.wob("id", m.ID, false)
	c.carriedIfFound("wob", m.ID, m.Found, m.WOB)
	return c.err
}

// Carried returns the WOB that travels beside the body, if it was found.
func (m Info) Carried() []*wob.WOB { return one(m.WOB) }

// WithCarried returns the message holding the WOB of ws, or ErrCarried if ws holds one exactly
// when none was found.
func (m Info) WithCarried(ws []*wob.WOB) (Body, error) {
	if len(ws) > 1 || (len(ws) == 1) != m.Found {
		return nil, ErrCarried
	}
	if len(ws) == 1 {
		m.WOB = ws[0]
	}
	return m, nil
}
