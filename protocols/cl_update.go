package protocols

// Update is a member's differential update of the WOBs it holds, to its supervisor (paper,
// section 3.4.3).
type Update struct {
	MemberSeq uint64  `json:"memberSeq"`
	Seq       uint64  `json:"seq"`            // consecutive per attachment; a gap is answered by Resend
	Full      bool    `json:"full,omitempty"` // the entries are all it holds
	Entries   []Entry `json:"entries"`
}

var _ = Define[Update]("CL_UPDATE", Rules{MaxBytes: 4 << 20, From: FromMember,
	Reply: []Kind{"CL_RESEND"}})

// Kind returns CL_UPDATE.
func (Update) Kind() Kind { return "CL_UPDATE" }

// Validate checks the bounds of every field; see FieldError.
func (m Update) Validate() error {
	var c checker
	c.entries("entries", m.Entries)
	return c.err
}
