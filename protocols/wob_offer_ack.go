package protocols

// OfferAck takes an offer or declines it (paper: OnWOBOfferAck).
type OfferAck struct {
	Request string `json:"request"`
	Offer   string `json:"offer"`
	Take    bool   `json:"take"`
}

var _ = Define[OfferAck]("WOB_OFFER_ACK", Rules{MaxBytes: 4 << 10, From: FromAnyone,
	Reply: []Kind{"WOB_TRANSFER", "WOB_NONE"}})

// Kind returns WOB_OFFER_ACK.
func (OfferAck) Kind() Kind { return "WOB_OFFER_ACK" }

// Validate checks the bounds of every field; see FieldError.
func (m OfferAck) Validate() error {
	var c checker
	c.token("request", m.Request, maxName)
	c.token("offer", m.Offer, maxName)
	return c.err
}
