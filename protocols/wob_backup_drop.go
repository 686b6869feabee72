package protocols

// BackupDrop tells a supervisor that a WOB is merged or dropped for good: its snapshots can go, a
// tombstone stays.
type BackupDrop struct {
	WOBs []Entry `json:"wobs"` // tombstones
}

var _ = Define[BackupDrop]("WOB_BACKUP_DROP", Rules{MaxBytes: 64 << 10, From: FromAnyone})

// Kind returns WOB_BACKUP_DROP.
func (BackupDrop) Kind() Kind { return "WOB_BACKUP_DROP" }

// Validate checks the bounds of every field; see FieldError.
func (m BackupDrop) Validate() error {
	var c checker
	c.entries("wobs", m.WOBs)
	return c.err
}
