package wob

import (
	"errors"
	"fmt"
)

// What can be wrong with a WOB or its encoding; each comes inside a *FieldError.
var (
	ErrSyntax    = errors.New("not valid JSON")
	ErrUTF8      = errors.New("not valid UTF-8")
	ErrDepth     = errors.New("nested too deep")
	ErrType      = errors.New("wrong JSON type")
	ErrDuplicate = errors.New("field given twice")
	ErrCase      = errors.New("field name in wrong case")
	ErrLimit     = errors.New("over the limit")
	ErrTooLarge  = errors.New("encoded WOB too large")
	ErrID        = errors.New("not a UUID in lower case")
	ErrState     = errors.New("no such state")
	ErrEffort    = errors.New("effort must be finite and not negative")
	ErrMissing   = errors.New("missing")
)

// What the life cycle and the rules S1-S5 refuse.
var (
	ErrTransition   = errors.New("wob: state change not allowed")
	ErrChildKnown   = errors.New("wob: child id already used")               // S1
	ErrChildUnknown = errors.New("wob: not in the children table")           // S2
	ErrChildMerged  = errors.New("wob: child already merged")                // S3
	ErrClosed       = errors.New("wob: WOB is over and takes no more child") // S4
	ErrChildren     = errors.New("wob: children table full")
)

// FieldError tells which field of which WOB is wrong. WOB is empty when the id
// itself could not be read, Field when the whole text is meant.
type FieldError struct {
	WOB   ID
	Field string // a path such as children[3].boundary
	Err   error
}

func (e *FieldError) Error() string {
	switch {
	case e.WOB == "" && e.Field == "":
		return fmt.Sprintf("wob: %v", e.Err)
	case e.Field == "":
		return fmt.Sprintf("wob %.64s: %v", e.WOB, e.Err)
	case e.WOB == "":
		return fmt.Sprintf("wob: field %s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("wob %.64s: field %s: %v", e.WOB, e.Field, e.Err)
}

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// within puts a field in front of the path of err.
func within(field string, err error) error {
	if err == nil {
		return nil
	}
	var fe *FieldError
	if errors.As(err, &fe) {
		switch {
		case fe.Field == "" || field == "":
			field += fe.Field
		case fe.Field[0] == '[':
			field += fe.Field
		default:
			field += "." + fe.Field
		}
		return &FieldError{WOB: fe.WOB, Field: field, Err: fe.Err}
	}
	return &FieldError{Field: field, Err: err}
}

// named adds the WOB's id to a *FieldError.
func named(id ID, err error) error {
	var fe *FieldError
	if errors.As(err, &fe) {
		return &FieldError{WOB: id, Field: fe.Field, Err: fe.Err}
	}
	if err != nil {
		return &FieldError{WOB: id, Err: err}
	}
	return nil
}
