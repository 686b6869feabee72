package protocols

// SenderRole is what the receiver knows about the sender of a message: its place in the
// receiver's own cluster. The zero value is any admitted node of the project.
type SenderRole struct {
	Member     bool // attached to the receiver
	Supervisor bool // in the receiver's current view
	Primary    bool // the first live supervisor of that view
}

// Permits reports whether a sender in role may send the kind. The roles are ranks: a supervisor may
// send what a member may, since its own WOBs are listed and its own slots filled in the same way.
func (r Rules) Permits(role SenderRole) bool {
	switch r.From {
	case FromAnyone:
		return true
	case FromMember:
		return role.Member || role.Supervisor || role.Primary
	case FromSupervisor:
		return role.Supervisor || role.Primary
	case FromPrimary:
		return role.Primary
	}
	return false
}

// Allowed reports whether a sender in role may send kind; nobody may send an unknown one.
func Allowed(kind Kind, role SenderRole) bool {
	d, ok := Lookup(kind)
	return ok && d.Rules.Permits(role)
}

// String names the sender as docs/messages.md does.
func (s Sender) String() string {
	switch s {
	case FromAnyone:
		return "anyone"
	case FromMember:
		return "member"
	case FromSupervisor:
		return "supervisor"
	case FromPrimary:
		return "primary"
	}
	return "nobody"
}
