package protocols

import "github.com/wobcompute/wobcompute/wob"

// AppMsg carries an application's message from one WOB to another (paper: WOBMsg).
type AppMsg struct {
	Token uint64  `json:"token"`
	From  wob.ID  `json:"from"`
	To    wob.ID  `json:"to"`
	Data  wob.Raw `json:"data"`
}

var _ = Define[AppMsg]("APP_MSG", Rules{MaxBytes: 8 << 20, From: FromAnyone,
	Reply: []Kind{"APP_DELIVERED", "APP_FAILED"}})

// Kind returns APP_MSG.
func (AppMsg) Kind() Kind { return "APP_MSG" }

// Validate checks the bounds of every field; see FieldError.
func (m AppMsg) Validate() error {
	var c checker
	c.wob("from", m.From, false)
	c.wob("to", m.To, false)
	return c.err
}
