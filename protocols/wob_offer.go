package protocols

import "github.com/wobcompute/wobcompute/wob"

// Offer reserves a part of a WOB, or a whole suspended one, for the asker, under a lease.
type Offer struct {
	Request string  `json:"request"`
	Offer   string  `json:"offer"` // unique per holder
	WOB     wob.ID  `json:"wob"`   // the source; the WOB itself if whole
	App     string  `json:"app"`
	Effort  float64 `json:"effort"`
	Whole   bool    `json:"whole,omitempty"`
}

var _ = Define[Offer]("WOB_OFFER", Rules{MaxBytes: 4 << 10, From: FromAnyone,
	Reply: []Kind{"WOB_OFFER_ACK"}})

// Kind returns WOB_OFFER.
func (Offer) Kind() Kind { return "WOB_OFFER" }

// Validate checks the bounds of every field; see FieldError.
func (m Offer) Validate() error {
	var c checker
	c.token("request", m.Request, maxName)
	c.token("offer", m.Offer, maxName)
	c.wob("wob", m.WOB, false)
	c.text("app", m.App, maxName)
	c.finite("effort", m.Effort)
	return c.err
}
