package protocols

// Prepare proposes the next view: the primary asks the current view's supervisors to promise it.
type Prepare struct {
	Base uint64 `json:"base"` // epoch of the current view
	Next View   `json:"next"` // its epoch is base+1
}

var _ = Define[Prepare]("CL_PREPARE", Rules{MaxBytes: 1 << 20, From: FromSupervisor,
	Reply: []Kind{"CL_PREPARED"}})

// Kind returns CL_PREPARE.
func (Prepare) Kind() Kind { return "CL_PREPARE" }

// Validate checks the bounds of every field; see FieldError.
func (m Prepare) Validate() error {
	var c checker
	c.view("next", &m.Next)
	c.that("next.epoch", m.Next.Epoch == m.Base+1, ErrInconsistent)
	return c.err
}
