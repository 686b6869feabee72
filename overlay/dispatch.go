package overlay

import (
	"reflect"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Every behaviour registers, in its own file, what it handles: inputs, kinds of message
// and deadlines. The tables are filled while the package initialises.
var (
	inputs   = map[reflect.Type]func(*Machine, Input){}
	handlers = map[protocols.Kind]func(*Machine, wob.NodeID, protocols.Body){}
	alarms   [timerCount]func(*Machine)
)

func on[T Input](f func(*Machine, T)) bool {
	inputs[reflect.TypeFor[T]()] = func(m *Machine, in Input) { f(m, in.(T)) }
	return true
}

func handle[T protocols.Body](f func(*Machine, wob.NodeID, T)) bool {
	var zero T
	handlers[zero.Kind()] = func(m *Machine, from wob.NodeID, body protocols.Body) { f(m, from, body.(T)) }
	return true
}

func alarm(t timer, f func(*Machine)) bool {
	alarms[t] = f
	return true
}

var (
	_ = on((*Machine).onReceive)
	_ = on(func(*Machine, Wake) {})
)

func (m *Machine) input(in Input) {
	if f := inputs[reflect.TypeOf(in)]; f != nil {
		f(m, in)
	}
}

// onReceive lets a message through to its behaviour when its kind is known, its fields
// are within bounds and its sender may send it. A refusal changes nothing.
func (m *Machine) onReceive(in Receive) {
	from, body := in.Msg.From, in.Msg.Body
	if body == nil || from == "" || from == m.cfg.Self || m.role == Idling {
		return
	}
	kind := body.Kind()
	f, d := handlers[kind], (*protocols.Definition)(nil)
	if f != nil {
		d, _ = protocols.Lookup(kind)
	}
	if d == nil || reflect.TypeOf(body) != d.Type {
		m.reject(from, kind, "not a message of the overlay")
		return
	}
	if in.Msg.To != "" && in.Msg.To != m.cfg.Self {
		m.reject(from, kind, "addressed to another node")
		return
	}
	if err := body.Validate(); err != nil {
		m.reject(from, kind, err.Error())
		return
	}
	m.hear(from)
	if role := m.senderRole(from); !d.Rules.Permits(role) {
		m.reject(from, kind, "its sender may not send it")
		if d.Rules.From == protocols.FromMember {
			m.send(from, protocols.Detached{Reason: "not a member"})
		}
		return
	}
	f(m, from, body)
}

// senderRole says what a peer is in this node's own cluster.
func (m *Machine) senderRole(id wob.NodeID) protocols.SenderRole {
	var r protocols.SenderRole
	r.Member = m.sup != nil && m.sup.roster.Get(id) != nil
	if find(m.view.Supervisors, id) != nil {
		r.Supervisor, r.Primary = true, id == m.primary()
	}
	return r
}

func (m *Machine) reject(from wob.NodeID, kind protocols.Kind, reason string) {
	m.report(Rejected{From: from, Kind: kind, Reason: reason})
}
