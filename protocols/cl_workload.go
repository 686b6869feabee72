package protocols

// WorkloadIs pushes a higher workload level to members and supervisors; beats repeat it.
type WorkloadIs struct {
	Workload Workload `json:"workload"`
}

var _ = Define[WorkloadIs]("CL_WORKLOAD", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns CL_WORKLOAD.
func (WorkloadIs) Kind() Kind { return "CL_WORKLOAD" }

// Validate accepts every value.
func (WorkloadIs) Validate() error { return nil }
