package protocols

// Join asks a supervisor to accept the sender as a member of its cluster (paper, section 3.3).
type Join struct {
	MemberSeq uint64  `json:"memberSeq"` // rises with every attach of this node; the higher one wins
	Capacity  int     `json:"capacity"`
	Public    bool    `json:"public"`
	Idle      int     `json:"idle"`   // free slots
	WOBs      []Entry `json:"wobs"`   // all it holds: the supervisor's index restarts from these
	WOBSeq    uint64  `json:"wobSeq"` // the differential update these entries stand for
}

var _ = Define[Join]("NODE_JOIN", Rules{MaxBytes: 4 << 20, From: FromAnyone,
	Reply: []Kind{"NODE_ACCEPT", "NODE_REFUSE"}})

// Kind returns NODE_JOIN.
func (Join) Kind() Kind { return "NODE_JOIN" }

// Validate checks the bounds of every field; see FieldError.
func (m Join) Validate() error {
	var c checker
	c.atLeast("capacity", int64(m.Capacity), 0)
	c.atLeast("idle", int64(m.Idle), 0)
	c.entries("wobs", m.WOBs)
	return c.err
}
