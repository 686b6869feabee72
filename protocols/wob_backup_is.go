package protocols

import "github.com/wobcompute/wobcompute/wob"

// BackupIs answers BackupGet.
type BackupIs struct {
	Token uint64   `json:"token"`
	ID    wob.ID   `json:"id"`
	Found bool     `json:"found"`
	Gone  bool     `json:"gone,omitempty"` // a tombstone: finished and merged
	WOB   *wob.WOB `json:"-"`              // when found
}

var _ = Define[BackupIs]("WOB_BACKUP_IS", Rules{MaxBytes: 4 << 10, WOBs: 1, From: FromAnyone})

// Kind returns WOB_BACKUP_IS.
func (BackupIs) Kind() Kind { return "WOB_BACKUP_IS" }

// Validate checks the bounds of every field; see FieldError.
func (m BackupIs) Validate() error {
	var c checker
	c.wob("id", m.ID, false)
	c.carriedIfFound("wob", m.ID, m.Found, m.WOB)
	return c.err
}

// Carried returns the WOB that travels beside the body, if it was found.
func (m BackupIs) Carried() []*wob.WOB { return one(m.WOB) }

// WithCarried returns the message holding the WOB of ws, or ErrCarried if ws holds one exactly
// when none was found.
func (m BackupIs) WithCarried(ws []*wob.WOB) (Body, error) {
	if len(ws) > 1 || (len(ws) == 1) != m.Found {
		return nil, ErrCarried
	}
	if len(ws) == 1 {
		m.WOB = ws[0]
	}
	return m, nil
}
