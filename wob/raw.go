package wob

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// MaxRawDepth bounds the nesting of arrays and objects in an application's field.
const MaxRawDepth = 1000

// Valid reports whether r is one JSON value in valid UTF-8, nested at most
// MaxRawDepth deep. The empty Raw is valid: it stands for null.
func (r Raw) Valid() bool { return r == "" || check([]byte(r), MaxRawDepth) == nil }

// IsNull reports whether r is JSON null: empty, or written out.
func (r Raw) IsNull() bool { return r == "" || r == "null" }

// Equal reports whether r and o are the same JSON text but for white space and for
// the escapes that encoding/json adds under way ("<" as "\u003c"). Numbers and the
// order of keys are compared as written.
func (r Raw) Equal(o Raw) bool {
	if r == o || r.IsNull() && o.IsNull() {
		return true
	}
	a, okA := r.canonical()
	b, okB := o.canonical()
	return okA && okB && bytes.Equal(a, b)
}

func (r Raw) canonical() ([]byte, bool) {
	var tight, safe bytes.Buffer
	if json.Compact(&tight, []byte(r)) != nil {
		return nil, false
	}
	json.HTMLEscape(&safe, tight.Bytes())
	return safe.Bytes(), true
}

// MarshalJSON returns r as it is, and null for the empty Raw. Note that json.Marshal
// then drops white space between tokens; WOB.Encode does not.
func (r Raw) MarshalJSON() ([]byte, error) {
	if r == "" {
		return []byte("null"), nil
	}
	if err := check([]byte(r), MaxRawDepth); err != nil {
		return nil, err
	}
	return []byte(r), nil
}

// UnmarshalJSON keeps the bytes of the value as they are; null becomes the empty Raw.
func (r *Raw) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if err := check(b, MaxRawDepth); err != nil {
		return err
	}
	*r = raw(b)
	return nil
}

// raw makes a Raw of a value that is known to be valid JSON.
func raw(b []byte) Raw {
	if string(b) == "null" {
		return ""
	}
	return Raw(b)
}

// check reports whether b is one JSON value in UTF-8 of bounded nesting.
func check(b []byte, maxDepth int) error {
	switch {
	case !utf8.Valid(b):
		return ErrUTF8
	case depth(b) > maxDepth: // before json.Valid, which has a limit of its own
		return ErrDepth
	case !json.Valid(b):
		return ErrSyntax
	}
	return nil
}
