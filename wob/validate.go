package wob

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Limits of a WOB's fields. A peer's or an application's WOB beyond them is refused.
const (
	MaxChildren = 100_000   // entries of the children table
	MaxFailures = 16        // entries of the failure history; the newest are kept
	MaxLog      = 4 << 10   // bytes of a failure's log, and of its error
	MaxName     = 256       // bytes of an application or node name
	MaxCount    = 1<<53 - 1 // of any counter: exact in every JSON reader, and far from wrapping
)

// Validate reports the first field that breaks a limit or has no meaning, as a
// *FieldError. A nil error means that Encode can only fail for size.
func (w *WOB) Validate() error {
	return named(w.ID, w.validate())
}

func (w *WOB) validate() error {
	switch {
	case !w.ID.Valid():
		return &FieldError{Field: "id", Err: ErrID}
	case w.Parent != "" && !w.Parent.Valid():
		return &FieldError{Field: "parent", Err: ErrID}
	case w.Parent == w.ID:
		return &FieldError{Field: "parent", Err: fmt.Errorf("%w: a WOB is not its own parent", ErrID)}
	case w.App == "":
		return &FieldError{Field: "app", Err: ErrMissing}
	case !w.State.Valid():
		return &FieldError{Field: "state", Err: fmt.Errorf("%w: %.32q", ErrState, w.State)}
	}
	for _, f := range []struct {
		name string
		err  error
	}{
		{"app", checkText(w.App, MaxName)},
		{"holder", checkText(string(w.Holder), MaxName)},
		{"epoch", checkCount(w.Epoch)},
		{"moves", checkCount(w.Moves)},
		{"version", checkCount(w.Version)},
		{"boundary", w.Boundary.check()},
		{"checkpoint", w.Checkpoint.check()},
		{"result", w.Result.check()},
		{"meta", w.Meta.check()},
		{"effort", w.Effort.Check()},
		{"stats", w.Stats.check()},
		{"failures", w.checkFailures()},
	} {
		if f.err != nil {
			return within(f.name, f.err)
		}
	}
	return w.checkChildren()
}

func (w *WOB) checkChildren() error {
	if len(w.Children) > MaxChildren {
		return &FieldError{Field: "children", Err: fmt.Errorf("%w: %d entries, at most %d", ErrLimit, len(w.Children), MaxChildren)}
	}
	seen := make(map[ID]struct{}, len(w.Children))
	for i := range w.Children {
		c := &w.Children[i]
		err := c.check()
		if _, dup := seen[c.ID]; dup || c.ID == w.ID {
			err = &FieldError{Field: "id", Err: ErrChildKnown}
		}
		if err != nil {
			return within("children["+strconv.Itoa(i)+"]", err)
		}
		seen[c.ID] = struct{}{}
	}
	return nil
}

func (c *Child) check() error {
	switch {
	case !c.ID.Valid():
		return &FieldError{Field: "id", Err: ErrID}
	case !c.State.Valid():
		return &FieldError{Field: "state", Err: ErrState}
	case c.Boundary.check() != nil:
		return within("boundary", c.Boundary.check())
	case c.Birth.check() != nil:
		return within("birth", c.Birth.check())
	case c.Meta.check() != nil:
		return within("meta", c.Meta.check())
	case c.Effort.Check() != nil:
		return within("effort", c.Effort.Check())
	}
	return within("holder", checkText(string(c.Holder), MaxName))
}

func (w *WOB) checkFailures() error {
	if len(w.Failures) > MaxFailures {
		return fmt.Errorf("%w: %d entries, at most %d", ErrLimit, len(w.Failures), MaxFailures)
	}
	for _, f := range w.Failures {
		for _, err := range []error{
			checkText(string(f.Node), MaxName), checkText(f.Error, MaxLog), checkText(f.Log, MaxLog),
		} {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Check refuses NaN, infinities and negative numbers with ErrEffort.
func (e Effort) Check() error {
	if e.Total >= 0 && e.Remaining >= 0 && !math.IsInf(e.Total, 0) && !math.IsInf(e.Remaining, 0) {
		return nil
	}
	return ErrEffort
}

func (s *Stats) check() error {
	for _, c := range s.counters() {
		if err := checkCount(*c.n); err != nil {
			return within(c.name, err)
		}
	}
	return nil
}

func (r Raw) check() error {
	if r == "" {
		return nil
	}
	return check([]byte(r), MaxRawDepth)
}

func checkText(s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrLimit, len(s), limit)
	}
	if !utf8.ValidString(s) {
		return ErrUTF8
	}
	return nil
}

func checkCount(n uint64) error {
	if n > MaxCount {
		return fmt.Errorf("%w: %d", ErrLimit, n)
	}
	return nil
}
