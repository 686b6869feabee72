package protocols

import "github.com/wobcompute/wobcompute/wob"

// Transfer hands a WOB over: a child after its birth is stored, or a whole WOB that moves. It is
// repeated until it is acknowledged or refused.
type Transfer struct {
	Request string   `json:"request,omitempty"` // the asker's, empty when not asked for
	Move    bool     `json:"move,omitempty"`    // a whole WOB changes its holder
	WOB     *wob.WOB `json:"-"`
}

var _ = Define[Transfer]("WOB_TRANSFER", Rules{MaxBytes: 4 << 10, WOBs: 1, From: FromAnyone,
	Reply: []Kind{"WOB_TRANSFER_ACK"}})

// Kind returns WOB_TRANSFER.
func (Transfer) Kind() Kind { return "WOB_TRANSFER" }

// Validate checks the bounds of every field; see FieldError.
func (m Transfer) Validate() error {
	var c checker
	c.tokenIfAny("request", m.Request, maxName)
	c.carried("wob", m.WOB)
	return c.err
}

// Carried returns the WOB that travels beside the body.
func (m Transfer) Carried() []*wob.WOB { return one(m.WOB) }

// WithCarried returns the message holding the WOB of ws, or ErrCarried if ws holds not exactly one.
func (m Transfer) WithCarried(ws []*wob.WOB) (Body, error) {
	if len(ws) != 1 {
		return nil, ErrCarried
	}
	m.WOB = ws[0]
	return m, nil
}
