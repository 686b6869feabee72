package protocols

import "github.com/wobcompute/wobcompute/wob"

// Backup stores snapshots with a supervisor: a checkpoint and, after a split, the child's birth
// WOB beside it. It is acknowledged after fsync.
type Backup struct {
	Token uint64     `json:"token"` // the sender's, correlates the acknowledgement
	WOBs  []*wob.WOB `json:"-"`
}

var _ = Define[Backup]("WOB_BACKUP", Rules{MaxBytes: 4 << 10, WOBs: 4, From: FromAnyone,
	Reply: []Kind{"WOB_BACKUP_ACK"}})

// Kind returns WOB_BACKUP.
func (Backup) Kind() Kind { return "WOB_BACKUP" }

// Validate checks the bounds of every field; see FieldError.
func (m Backup) Validate() error {
	var c checker
	c.count("wobs", len(m.WOBs), 1, maxCarried)
	for _, w := range m.WOBs {
		c.carried("wobs", w)
	}
	return c.err
}

// Carried returns the snapshots, which travel beside the body.
func (m Backup) Carried() []*wob.WOB { return m.WOBs }

// WithCarried returns the message holding ws, or ErrCarried if ws is empty or too long.
func (m Backup) WithCarried(ws []*wob.WOB) (Body, error) {
	if len(ws) == 0 || len(ws) > maxCarried {
		return nil, ErrCarried
	}
	m.WOBs = ws
	return m, nil
}
