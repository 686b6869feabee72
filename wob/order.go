package wob

import "cmp"

// Compare orders incarnations by (epoch, moves, holder): negative when i is older
// than o. The holder breaks the tie of two recoveries at once, the same way everywhere.
func (i Incarnation) Compare(o Incarnation) int {
	return cmp.Or(cmp.Compare(i.Epoch, o.Epoch), cmp.Compare(i.Moves, o.Moves), cmp.Compare(i.Holder, o.Holder))
}

// Less reports whether i is older than o.
func (i Incarnation) Less(o Incarnation) bool { return i.Compare(o) < 0 }

// Compare orders stamps by incarnation, then by version: negative when s is older
// than o. Newest wins; taking the maximum in any order gives the same end.
func (s Stamp) Compare(o Stamp) int {
	return cmp.Or(s.Incarnation.Compare(o.Incarnation), cmp.Compare(s.Version, o.Version))
}

// Less reports whether s is older than o.
func (s Stamp) Less(o Stamp) bool { return s.Compare(o) < 0 }
