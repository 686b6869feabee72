package work

import (
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// What this node answers for the WOBs it holds.

var (
	_ = onMessage((*Machine).fetch)
	_ = onMessage(func(m *Machine, from wob.NodeID, b protocols.Info) {
		if b.WOB != nil && b.WOB.Validate() != nil {
			m.reject(from, b.Kind(), "invalid WOB")
			b.WOB = nil
		}
		m.answered(from, b.Token, b)
	})
	_ = onMessage((*Machine).appMsg)
	_ = onMessage(func(m *Machine, from wob.NodeID, b protocols.AppDelivered) { m.answered(from, b.Token, b) })
	_ = onMessage(func(m *Machine, from wob.NodeID, b protocols.AppFailed) { m.answered(from, b.Token, b) })
)

// fetch answers with the last snapshot (paper, section 3.4.7: WOBQuery).
func (m *Machine) fetch(from wob.NodeID, q protocols.Fetch) {
	info := protocols.Info{Token: q.Token, ID: q.WOB}
	if r := m.recs[q.WOB]; r != nil {
		info.Found, info.WOB = true, r.newest
	}
	m.send(from, nil, info)
}

// appMsg passes a message to the process that has the WOB loaded, or says where it is.
func (m *Machine) appMsg(from wob.NodeID, msg protocols.AppMsg) {
	r := m.recs[msg.To]
	if r != nil && r.inProcess() {
		m.notify(r.proc, appapi.OnWOBMsg, appapi.MsgParams{From: msg.From, Data: msg.Data})
		m.send(from, nil, protocols.AppDelivered{Token: msg.Token})
		return
	}
	failed := protocols.AppFailed{Token: msg.Token, Reason: "the WOB is not here"}
	if r != nil {
		e := m.entry(r)
		failed.Entry, failed.Reason = &e, "the WOB is in no process"
	} else if e, ok := m.over.get(msg.To); ok {
		failed.Entry = &e
	}
	m.send(from, nil, failed)
}
