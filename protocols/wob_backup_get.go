package protocols

import "github.com/wobcompute/wobcompute/wob"

// BackupGet asks a supervisor for the newest snapshot of a WOB it stores.
type BackupGet struct {
	Token uint64 `json:"token"`
	WOB   wob.ID `json:"wob"`
}

var _ = Define[BackupGet]("WOB_BACKUP_GET", Rules{MaxBytes: 4 << 10, From: FromAnyone,
	Reply: []Kind{"WOB_BACKUP_IS"}})

// Kind returns WOB_BACKUP_GET.
func (BackupGet) Kind() Kind { return "WOB_BACKUP_GET" }

// Validate checks the bounds of every field; see FieldError.
func (m BackupGet) Validate() error {
	var c checker
	c.wob("wob", m.WOB, false)
	return c.err
}
