package protocols

import (
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// Request asks the holder of a WOB for a part of it (paper: OnWOBRequest).
type Request struct {
	Request string          `json:"request"`
	Apps    []string        `json:"apps"` // applications the asker can run
	Node    appapi.NodeSpec `json:"node"`
	Prefer  wob.ID          `json:"prefer,omitempty"` // the WOB the supervisor named
}

var _ = Define[Request]("WOB_REQUEST", Rules{MaxBytes: 16 << 10, From: FromAnyone,
	Reply: []Kind{"WOB_OFFER", "WOB_NONE"}})

// Kind returns WOB_REQUEST.
func (Request) Kind() Kind { return "WOB_REQUEST" }

// Validate checks the bounds of every field; see FieldError.
func (m Request) Validate() error {
	var c checker
	c.token("request", m.Request, maxName)
	c.names("apps", m.Apps, maxApps)
	c.node("node.peer", m.Node.Peer, true)
	c.finite("node.speed", m.Node.Speed)
	c.atLeast("node.cores", int64(m.Node.Cores), 0)
	c.atLeast("node.memory", m.Node.Memory, 0)
	c.atLeast("node.gpus", int64(m.Node.GPUs), 0)
	c.text("node.os", m.Node.OS, maxName)
	c.text("node.arch", m.Node.Arch, maxName)
	c.wob("prefer", m.Prefer, true)
	return c.err
}
