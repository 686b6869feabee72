package wob

import (
	"fmt"
	"slices"
)

// Verdict is what a parent says to a child's result.
type Verdict uint8

// The verdicts.
const (
	Unknown       Verdict = iota // not in the table: refused, the child is discarded (S2)
	Merge                        // listed and not merged: merge it, acknowledge when stored
	AlreadyMerged                // merged before: merge nothing (S3), acknowledge again once the merge is stored
)

func (v Verdict) String() string {
	switch v {
	case Merge:
		return "merge"
	case AlreadyMerged:
		return "already merged"
	case Unknown:
	}
	return "unknown"
}

// Lookup returns the entry of a child, or nil. The pointer is valid until the table
// changes.
func (w *WOB) Lookup(child ID) *Child {
	i := slices.IndexFunc(w.Children, func(c Child) bool { return c.ID == child })
	if i < 0 {
		return nil
	}
	return &w.Children[i]
}

// Out returns the children that are not merged, in the order they were split off.
func (w *WOB) Out() []ID {
	var out []ID
	for i := range w.Children {
		if w.Children[i].State != Merged {
			out = append(out, w.Children[i].ID)
		}
	}
	return out
}

// AddChild puts a new child into the table and counts the split (S1). The id must be
// a fresh UUID, never used before by anyone: an id fixes its boundary for ever.
// ErrChildKnown, ErrID, ErrClosed or ErrChildren tell what is wrong; then nothing changes.
func (w *WOB) AddChild(c Child) error { return allRules.addChild(w, c) }

func (r rules) addChild(w *WOB, c Child) error {
	switch {
	case !c.ID.Valid():
		return fmt.Errorf("%w: child %.64q", ErrID, c.ID)
	case r.on(ruleComplete) && (w.State == Finished || Terminal(w.State)):
		return fmt.Errorf("%w: %s is %s", ErrClosed, w.ID, w.State)
	case r.on(ruleUniqueID) && (c.ID == w.ID || c.ID == w.Parent || w.Lookup(c.ID) != nil):
		return fmt.Errorf("%w: %s", ErrChildKnown, c.ID)
	case len(w.Children) >= MaxChildren:
		return fmt.Errorf("%w: %s has %d", ErrChildren, w.ID, len(w.Children))
	}
	w.Children = append(w.Children, c)
	w.Stats.Add(Stats{Splits: 1})
	return nil
}

// Admit tells what to do with a result of the child (S2, S3). A WOB that failed or
// was cancelled knows no child any more.
func (w *WOB) Admit(child ID) Verdict { return allRules.admit(w, child) }

// AdmitResult is Admit for a finished child WOB at hand. It also refuses one that
// names another parent, or another boundary than its id was given (S1). Whether the
// child's state is Finished is for the caller to check first: a result that is not
// final is no reason to discard a child.
func (w *WOB) AdmitResult(child *WOB) Verdict { return allRules.admitResult(w, child) }

func (r rules) admit(w *WOB, child ID) Verdict {
	c := w.Lookup(child)
	switch {
	case w.State == Failed || w.State == Cancelled:
		return Unknown
	case c == nil && r.on(ruleKnownChild):
		return Unknown
	case c != nil && c.State == Merged && r.on(ruleMergeOnce):
		return AlreadyMerged
	}
	return Merge
}

func (r rules) admitResult(w *WOB, child *WOB) Verdict {
	if child.Parent != w.ID {
		return Unknown
	}
	if c := w.Lookup(child.ID); c != nil && r.on(ruleBoundary) && !c.Boundary.Equal(child.Boundary) {
		return Unknown
	}
	return r.admit(w, child.ID)
}

// MergeChild marks the child merged and adds the counts of its subtree and its
// failures. The caller puts the application's merged checkpoint and result into w in
// the same change, before anything is stored: a snapshot holds all of it or nothing
// (S3). What the child was born with is dropped, as it can't come back any more.
// Errors are ErrChildUnknown and ErrChildMerged; then nothing changes.
func (w *WOB) MergeChild(child ID, stats Stats, failures ...Failure) error {
	return allRules.mergeChild(w, child, stats, failures...)
}

func (r rules) mergeChild(w *WOB, child ID, stats Stats, failures ...Failure) error {
	switch r.admit(w, child) {
	case Unknown:
		return fmt.Errorf("%w: %s in %s", ErrChildUnknown, child, w.ID)
	case AlreadyMerged:
		return fmt.Errorf("%w: %s in %s", ErrChildMerged, child, w.ID)
	case Merge:
	}
	c := w.Lookup(child)
	if c == nil { // only with S2 off
		w.Children = append(w.Children, Child{ID: child})
		c = &w.Children[len(w.Children)-1]
	}
	c.State, c.Birth, c.Meta, c.Effort, c.Holder = Merged, "", "", Effort{}, ""
	w.Stats.Add(stats)
	w.Stats.Add(Stats{WOBs: 1})
	for _, f := range failures {
		w.AddFailure(f)
	}
	return nil
}

// Complete reports whether the WOB may finish (S4): its own part is done and every
// entry of the table is merged.
func (w *WOB) Complete(ownDone bool) bool { return allRules.complete(w, ownDone) }

func (r rules) complete(w *WOB, ownDone bool) bool {
	open := slices.ContainsFunc(w.Children, func(c Child) bool { return c.State != Merged })
	return ownDone && (!open || !r.on(ruleComplete))
}

// Reclaim takes back a child that is lost beyond recovery (S5): it removes the entry
// and returns it, with what the child was born with. From now on the id is unknown
// here, so that a late result of it is refused (S2); the caller makes the child's
// whole part its own again in the same change, and whoever computes it later does so
// under another id. Wrongly thinking a child lost thus costs time, never correctness.
// Errors are ErrChildUnknown and ErrChildMerged; then nothing changes.
func (w *WOB) Reclaim(child ID) (Child, error) { return allRules.reclaim(w, child) }

func (r rules) reclaim(w *WOB, child ID) (Child, error) {
	c := w.Lookup(child)
	switch {
	case c == nil || !r.on(ruleReclaim):
		return Child{}, fmt.Errorf("%w: %s in %s", ErrChildUnknown, child, w.ID)
	case c.State == Merged:
		return Child{}, fmt.Errorf("%w: %s in %s", ErrChildMerged, child, w.ID)
	}
	born := *c
	w.Children = slices.DeleteFunc(w.Children, func(c Child) bool { return c.ID == child })
	w.Stats.Add(Stats{Reclaimed: 1})
	return born, nil
}

// Forget drops merged entries from the table, all but the newest keep of them, and
// returns how many it dropped. A busy WOB splits thousands of times in its life; with
// Forget its snapshots hold the children that are out, which are as many as nodes
// compute for it, and keep more.
//
// It is safe because a forgotten child and a child never heard of get the same
// answer, unknown, and are discarded (S2); nothing is ever merged for being absent
// from the table, and no later child can bear the id (S1). The entry of a merged
// child only serves to acknowledge a repeated result politely; keep decides how long.
// Entries of children that are out are never dropped: S4 counts them.
func (w *WOB) Forget(keep int) int {
	merged := 0
	for i := range w.Children {
		if w.Children[i].State == Merged {
			merged++
		}
	}
	drop := merged - max(keep, 0)
	if drop <= 0 {
		return 0
	}
	left := drop
	w.Children = slices.DeleteFunc(w.Children, func(c Child) bool {
		if c.State != Merged || left == 0 {
			return false
		}
		left--
		return true
	})
	return drop
}
