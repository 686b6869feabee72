package protocols

// Prepared answers Prepare: a promise, or a refusal that shows the newer view.
type Prepared struct {
	Cluster ClusterID `json:"cluster"`
	Epoch   uint64    `json:"epoch"` // of the proposal
	OK      bool      `json:"ok"`
	View    *View     `json:"view,omitempty"` // when refused: what the sender knows
}

var _ = Define[Prepared]("CL_PREPARED", Rules{MaxBytes: 1 << 20, From: FromSupervisor})

// Kind returns CL_PREPARED.
func (Prepared) Kind() Kind { return "CL_PREPARED" }

// Validate checks the bounds of every field; see FieldError.
func (m Prepared) Validate() error {
	var c checker
	c.cluster("cluster", m.Cluster, false)
	if m.View != nil {
		c.viewIfAny("view", m.View)
	}
	return c.err
}
