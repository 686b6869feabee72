package protocols

// Beat is the regular heartbeat between a member and its supervisor and among supervisors (paper,
// section 3.1.1). It repeats every level that must not be lost: view epoch, workload, WOB list.
type Beat struct {
	Cluster   ClusterID `json:"cluster"`
	MemberSeq uint64    `json:"memberSeq"` // member to supervisor: of its attachment
	ViewEpoch uint64    `json:"viewEpoch"`
	Workload  Workload  `json:"workload"`
	Idle      int       `json:"idle"`              // member: free slots; supervisor: free slots of its members
	Members   int       `json:"members,omitempty"` // supervisor: members attached
	WOBSeq    uint64    `json:"wobSeq,omitempty"`  // member: last differential update it sent
	Index     *Digest   `json:"index,omitempty"`   // supervisor to supervisor
	Reply     bool      `json:"reply,omitempty"`   // a supervisor's answer to a member's beat

	// Best names the sender's members that may be elected, best first: the primary knows only its own.
	Best []Supervisor `json:"best,omitempty"`
}

var _ = Define[Beat]("NODE_BEAT", Rules{MaxBytes: 8 << 10, From: FromAnyone,
	Reply: []Kind{"NODE_BEAT"}})

// Kind returns NODE_BEAT.
func (Beat) Kind() Kind { return "NODE_BEAT" }

// Validate checks the bounds of every field; see FieldError.
func (m Beat) Validate() error {
	var c checker
	c.cluster("cluster", m.Cluster, true)
	c.atLeast("idle", int64(m.Idle), 0)
	c.atLeast("members", int64(m.Members), 0)
	c.digest("index", m.Index)
	c.supervisors("best", m.Best, 0)
	return c.err
}
