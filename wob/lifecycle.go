package wob

import (
	"fmt"
	"slices"
)

// moves is the life cycle as a table: from each state, where a WOB may go.
var moves = map[State][]State{
	Created: {Running, Suspended, Lost, Failed, Cancelled},
	Running: {Suspended, Waiting, Finished, Lost, Failed, Cancelled},
	// Resumed here, or after a migration elsewhere.
	Suspended: {Running, Lost, Failed, Cancelled},
	// Running or Suspended again when a child's part came back (S5), or when the
	// application completes its result by a call.
	Waiting: {Running, Suspended, Finished, Lost, Failed, Cancelled},
	// Lost while its result is not merged: its holder went with it.
	Finished: {Merged, Lost, Cancelled},
	// Recovered in whatever state the backup had.
	Lost:      {Created, Running, Suspended, Waiting, Finished, Failed, Cancelled},
	Merged:    nil,
	Failed:    nil,
	Cancelled: nil,
}

// Valid reports whether s is one of the states of a WOB.
func (s State) Valid() bool { _, ok := moves[s]; return ok }

// Terminal reports whether a WOB in state s is over for good.
func Terminal(s State) bool { return s == Merged || s == Failed || s == Cancelled }

// CanMove reports whether a WOB may change from one state to another. The states in
// a parent's children table are not bound by it: they are what the parent heard last,
// and only merged is certain there.
func CanMove(from, to State) bool { return slices.Contains(moves[from], to) }

// MoveTo changes the state. A change that CanMove does not allow is refused with
// ErrTransition and changes nothing; the state it already has is no change.
func (w *WOB) MoveTo(s State) error {
	if w.State == s {
		return nil
	}
	if !CanMove(w.State, s) {
		return fmt.Errorf("%w: %s from %s to %s", ErrTransition, w.ID, w.State, s)
	}
	w.State = s
	return nil
}
