package protocols

import "github.com/wobcompute/wobcompute/wob"

// AnswerIs answers Query with the newest entry known.
type AnswerIs struct {
	Query  string `json:"query"`
	WOB    wob.ID `json:"wob"`
	Answer Answer `json:"answer"`
	Entry  *Entry `json:"entry,omitempty"` // when found, or a tombstone
}

var _ = Define[AnswerIs]("CL_ANSWER", Rules{MaxBytes: 16 << 10, From: FromAnyone})

// Kind returns CL_ANSWER.
func (AnswerIs) Kind() Kind { return "CL_ANSWER" }

// Validate checks the bounds of every field; see FieldError.
func (m AnswerIs) Validate() error {
	var c checker
	c.token("query", m.Query, maxName)
	c.wob("wob", m.WOB, false)
	c.that("answer", m.Answer == Found || m.Answer == Absent || m.Answer == Unknown, ErrUnknownValue)
	c.that("entry", m.Answer != Found || m.Entry != nil, ErrMissing)
	if m.Entry != nil {
		c.entry("entry", m.Entry)
		c.that("entry.id", m.Entry.ID == m.WOB, ErrInconsistent)
	}
	return c.err
}
