package protocols

import "github.com/wobcompute/wobcompute/wob"

// BackupAck confirms that the snapshots, or newer ones, are on disk.
type BackupAck struct {
	Token  uint64      `json:"token"`
	OK     bool        `json:"ok"`
	Reason string      `json:"reason,omitempty"`
	Newer  []wob.Stamp `json:"newer,omitempty"` // snapshots that were refused because a newer incarnation is stored
	Stale  []wob.ID    `json:"stale,omitempty"` // their ids, in the same order
}

var _ = Define[BackupAck]("WOB_BACKUP_ACK", Rules{MaxBytes: 16 << 10, From: FromAnyone})

// Kind returns WOB_BACKUP_ACK.
func (BackupAck) Kind() Kind { return "WOB_BACKUP_ACK" }

// Validate checks the bounds of every field; see FieldError.
func (m BackupAck) Validate() error {
	var c checker
	c.text("reason", m.Reason, maxText)
	c.count("newer", len(m.Newer), 0, maxCarried)
	for _, s := range m.Newer {
		c.incarnation("newer", s.Incarnation)
	}
	c.wobs("stale", m.Stale, maxCarried)
	c.that("stale", len(m.Stale) == len(m.Newer), ErrInconsistent)
	return c.err
}
