package protocols

import "github.com/wobcompute/wobcompute/wob"

// Finished brings a finished, failed or cancelled child to the holder of its parent (paper:
// WOBFinished).
type Finished struct {
	WOB *wob.WOB `json:"-"`
}

var _ = Define[Finished]("WOB_FINISHED", Rules{MaxBytes: 4 << 10, WOBs: 1, From: FromAnyone,
	Reply: []Kind{"WOB_FINISHED_ACK"}})

// Kind returns WOB_FINISHED.
func (Finished) Kind() Kind { return "WOB_FINISHED" }

// Validate checks the bounds of every field; see FieldError.
func (m Finished) Validate() error {
	var c checker
	c.carried("wob", m.WOB)
	if m.WOB != nil {
		c.wob("wob.parent", m.WOB.Parent, false) // a root's result goes to the gateway
	}
	return c.err
}

// Carried returns the WOB that travels beside the body.
func (m Finished) Carried() []*wob.WOB { return one(m.WOB) }

// WithCarried returns the message holding the WOB of ws, or ErrCarried if ws holds not exactly one.
func (m Finished) WithCarried(ws []*wob.WOB) (Body, error) {
	if len(ws) != 1 {
		return nil, ErrCarried
	}
	m.WOB = ws[0]
	return m, nil
}
