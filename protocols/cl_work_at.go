package protocols

// WorkIs answers FindWork, best place first.
type WorkIs struct {
	Request  string   `json:"request"`
	Places   []WorkAt `json:"places"`
	Gateway  bool     `json:"gateway"` // the gateway may have a WOB to lend
	Busy     bool     `json:"busy"`    // there is work in the cluster, though none of it to be had just now
	Workload Workload `json:"workload"`
}

var _ = Define[WorkIs]("CL_WORK_AT", Rules{MaxBytes: 64 << 10, From: FromAnyone})

// Kind returns CL_WORK_AT.
func (WorkIs) Kind() Kind { return "CL_WORK_AT" }

// Validate checks the bounds of every field; see FieldError.
func (m WorkIs) Validate() error {
	var c checker
	c.token("request", m.Request, maxName)
	c.count("places", len(m.Places), 0, maxPlaces)
	for i := range m.Places {
		c.place("places", &m.Places[i])
	}
	return c.err
}
