package protocols

import (
	"errors"
	"fmt"
)

// Why a frame cannot be read, beyond the bounds of fields; DecodeError wraps one of these.
var (
	// ErrUnknownKind marks a message of a newer version: receivers count it and drop it.
	ErrUnknownKind = errors.New("unknown kind of message")
	ErrTooLarge    = errors.New("larger than its limit")
	ErrTruncated   = errors.New("ends too early")
	ErrTrailing    = errors.New("data after the end")
	ErrEncoding    = errors.New("invalid UTF-8")
	ErrSyntax      = errors.New("not JSON")
	ErrNesting     = errors.New("nested too deeply")
	ErrKey         = errors.New("key given twice or in another case")
	ErrCodec       = errors.New("unknown or broken compression")
	ErrCarried     = errors.New("wrong number of WOBs")
)

// DecodeError says what is wrong with a frame that was received, or with a message to be sent.
type DecodeError struct {
	Kind    Kind   // empty when the frame broke before its kind was known
	Section string // frame, envelope, data, wob, checkpoint
	Err     error
}

func (e *DecodeError) Error() string {
	if e.Kind == "" {
		return fmt.Sprintf("message: %s: %v", e.Section, e.Err)
	}
	return fmt.Sprintf("message %s: %s: %v", e.Kind, e.Section, e.Err)
}

// Unwrap returns the cause: a sentinel of this package, a *FieldError or an error of package wob.
func (e *DecodeError) Unwrap() error { return e.Err }
