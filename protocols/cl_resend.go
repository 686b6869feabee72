package protocols

// Resend asks a member for all its entries after a gap in its updates.
type Resend struct {
	MemberSeq uint64 `json:"memberSeq"`
}

var _ = Define[Resend]("CL_RESEND", Rules{MaxBytes: 4 << 10, From: FromSupervisor,
	Reply: []Kind{"CL_UPDATE"}})

// Kind returns CL_RESEND.
func (Resend) Kind() Kind { return "CL_RESEND" }

// Validate accepts every value.
func (Resend) Validate() error { return nil }
