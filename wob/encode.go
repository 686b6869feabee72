package wob

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Encode validates w and returns its JSON, at most MaxEncoded bytes. Fields come in
// a fixed order, the application's bytes are untouched, fields of a newer version
// follow sorted by name: equal WOBs have equal encodings. Errors are *FieldErrors;
// for a WOB that is too large it names the largest field.
func (w *WOB) Encode() ([]byte, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	return w.encode()
}

// MarshalJSON writes w without validating it. It is there for a WOB inside another
// JSON value; use Encode for a WOB by itself.
func (w WOB) MarshalJSON() ([]byte, error) { return w.encode() }

func (w *WOB) encode() ([]byte, error) {
	b := make([]byte, 0, 512+len(w.Boundary)+len(w.Checkpoint)+len(w.Result)+len(w.Meta)+128*len(w.Children))
	b = appendString(append(b, `{"id":`...), string(w.ID))
	b = appendString(append(b, `,"app":`...), w.App)
	if w.Parent != "" {
		b = appendString(append(b, `,"parent":`...), string(w.Parent))
	}
	b = strconv.AppendUint(append(b, `,"epoch":`...), w.Epoch, 10)
	b = strconv.AppendUint(append(b, `,"moves":`...), w.Moves, 10)
	b = appendString(append(b, `,"holder":`...), string(w.Holder))
	b = strconv.AppendUint(append(b, `,"version":`...), w.Version, 10)
	b = appendString(append(b, `,"state":`...), string(w.State))
	b = appendRaw(append(b, `,"boundary":`...), w.Boundary)
	b = appendRaw(append(b, `,"checkpoint":`...), w.Checkpoint)
	b = appendRaw(append(b, `,"result":`...), w.Result)
	b = appendRaw(append(b, `,"meta":`...), w.Meta)
	b = appendEffort(append(b, `,"effort":`...), w.Effort)
	b = append(b, `,"children":[`...)
	for i := range w.Children {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.Children[i].append(b)
	}
	b = append(b, ']')
	if len(w.Failures) > 0 {
		b = append(b, `,"failures":[`...)
		for i := range w.Failures {
			if i > 0 {
				b = append(b, ',')
			}
			b = w.Failures[i].append(b)
		}
		b = append(b, ']')
	}
	if w.Stats != (Stats{}) {
		b = w.Stats.append(append(b, `,"stats":`...))
	}
	b = append(append(b, w.extra...), '}')
	if len(b) > MaxEncoded {
		return nil, named(w.ID, tooLarge(b))
	}
	return b, nil
}

// MarshalJSON writes one entry of a children table, fields of a newer version included.
func (c Child) MarshalJSON() ([]byte, error) { return c.append(nil), nil }

func (c *Child) append(b []byte) []byte {
	b = appendString(append(b, `{"id":`...), string(c.ID))
	b = appendRaw(append(b, `,"boundary":`...), c.Boundary)
	b = appendString(append(b, `,"state":`...), string(c.State))
	if c.Birth != "" {
		b = appendRaw(append(b, `,"birth":`...), c.Birth)
	}
	if c.Effort != (Effort{}) {
		b = appendEffort(append(b, `,"effort":`...), c.Effort)
	}
	if c.Meta != "" {
		b = appendRaw(append(b, `,"meta":`...), c.Meta)
	}
	if c.Holder != "" {
		b = appendString(append(b, `,"holder":`...), string(c.Holder))
	}
	return append(append(b, c.extra...), '}')
}

func (f *Failure) append(b []byte) []byte {
	b = appendString(append(b, `{"node":`...), string(f.Node))
	b = appendString(append(b, `,"error":`...), f.Error)
	if f.Log != "" {
		b = appendString(append(b, `,"log":`...), f.Log)
	}
	return append(b, '}')
}

func (s *Stats) append(b []byte) []byte {
	b = append(b, '{')
	for _, c := range s.counters() {
		if *c.n == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendString(b, c.name), ':')
		b = strconv.AppendUint(b, *c.n, 10)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string never fails
	return append(b, q...)
}

func appendRaw(b []byte, r Raw) []byte {
	if r == "" {
		return append(b, "null"...)
	}
	return append(b, r...)
}

func appendEffort(b []byte, e Effort) []byte {
	b = appendFloat(append(b, `{"total":`...), e.Total)
	b = appendFloat(append(b, `,"remaining":`...), e.Remaining)
	return append(b, '}')
}

// appendFloat writes f as encoding/json does: exponents only where they save digits.
func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

// tooLarge names the largest field of an encoded WOB, for whoever must shrink it.
func tooLarge(b []byte) error {
	err := fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), MaxEncoded)
	b = bytes.TrimSpace(b)
	if !json.Valid(b) {
		return &FieldError{Err: err}
	}
	ms, _ := members(b)
	var largest member
	for _, m := range ms {
		if len(m.value) > len(largest.value) {
			largest = m
		}
	}
	return &FieldError{Field: largest.name, Err: err}
}
