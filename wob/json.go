package wob

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Limits of the encoded form.
const (
	MaxEncoded    = 8 << 20 // bytes of an encoded WOB
	MaxFieldDepth = 64      // nesting in fields that are not the application's
)

// The fields this version knows. All others are kept and written back.
var (
	wobFields = names("id", "app", "parent", "epoch", "version", "state", "boundary", "checkpoint",
		"result", "meta", "effort", "children", "moves", "holder", "failures", "stats")
	childFields = names("id", "boundary", "state", "birth", "effort", "meta", "holder")
)

// Decode reads one encoded WOB and validates it. Every error is a *FieldError.
// It never panics, and its time and memory are linear in len(b).
func Decode(b []byte) (*WOB, error) {
	w := new(WOB)
	if err := w.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	if err := w.Validate(); err != nil {
		return nil, err
	}
	return w, nil
}

// UnmarshalJSON reads w without validating it; Decode does both. A missing field or
// a null is the zero value. Fields of a newer version are kept, in the WOB itself and
// in the entries of its children table.
func (w *WOB) UnmarshalJSON(b []byte) error {
	if len(b) > MaxEncoded {
		return tooLarge(b)
	}
	if err := check(b, MaxFieldDepth+MaxRawDepth); err != nil {
		return &FieldError{Err: err}
	}
	ms, err := members(bytes.TrimSpace(b))
	if err != nil {
		return &FieldError{Err: err}
	}
	var n WOB
	var unknown []member
	for _, m := range ms {
		known, err := n.field(m.name, m.value)
		if err != nil {
			return named(n.ID, within(m.name, err))
		}
		if !known {
			unknown = append(unknown, m)
		}
	}
	if n.extra, err = rest(unknown, wobFields); err != nil {
		return named(n.ID, err)
	}
	*w = n
	return nil
}

func (w *WOB) field(name string, v []byte) (known bool, err error) {
	switch name {
	case "id":
		err = readString(v, &w.ID)
	case "app":
		err = readString(v, &w.App)
	case "parent":
		err = readString(v, &w.Parent)
	case "epoch":
		err = readCount(v, &w.Epoch)
	case "moves":
		err = readCount(v, &w.Moves)
	case "holder":
		err = readString(v, &w.Holder)
	case "version":
		err = readCount(v, &w.Version)
	case "state":
		err = readString(v, &w.State)
	case "boundary":
		err = readRaw(v, &w.Boundary)
	case "checkpoint":
		err = readRaw(v, &w.Checkpoint)
	case "result":
		err = readRaw(v, &w.Result)
	case "meta":
		err = readRaw(v, &w.Meta)
	case "effort":
		err = readObject(v, w.Effort.field)
	case "children":
		w.Children, err = readArray(v, MaxChildren, (*Child).read)
	case "failures":
		w.Failures, err = readArray(v, MaxFailures, func(f *Failure, v []byte) error { return readObject(v, f.field) })
	case "stats":
		err = readObject(v, w.Stats.field)
	default:
		return false, nil
	}
	return true, err
}

// UnmarshalJSON reads one entry of a children table, as strictly as a WOB is read.
func (c *Child) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if err := check(b, MaxFieldDepth+MaxRawDepth); err != nil {
		return err
	}
	var n Child
	if err := n.read(b); err != nil {
		return err
	}
	*c = n
	return nil
}

func (c *Child) read(b []byte) error {
	ms, err := members(b)
	if err != nil {
		return err
	}
	var unknown []member
	for _, m := range ms {
		var err error
		switch m.name {
		case "id":
			err = readString(m.value, &c.ID)
		case "boundary":
			err = readRaw(m.value, &c.Boundary)
		case "state":
			err = readString(m.value, &c.State)
		case "birth":
			err = readRaw(m.value, &c.Birth)
		case "effort":
			err = readObject(m.value, c.Effort.field)
		case "meta":
			err = readRaw(m.value, &c.Meta)
		case "holder":
			err = readString(m.value, &c.Holder)
		default:
			unknown = append(unknown, m)
		}
		if err != nil {
			return within(m.name, err)
		}
	}
	c.extra, err = rest(unknown, childFields)
	return err
}

func (e *Effort) field(name string, v []byte) error {
	switch name {
	case "total":
		return readFloat(v, &e.Total)
	case "remaining":
		return readFloat(v, &e.Remaining)
	}
	return nil
}

func (f *Failure) field(name string, v []byte) error {
	switch name {
	case "node":
		return readString(v, &f.Node)
	case "error":
		return readString(v, &f.Error)
	case "log":
		return readString(v, &f.Log)
	}
	return nil
}

func (s *Stats) field(name string, v []byte) error {
	for _, c := range s.counters() {
		if c.name == name {
			return readCount(v, c.n)
		}
	}
	return nil
}

func isNull(v []byte) bool { return string(v) == "null" }

func readString[T ~string](v []byte, p *T) error {
	if isNull(v) {
		return nil
	}
	if v[0] != '"' {
		return fmt.Errorf("%w: want a string", ErrType)
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return ErrSyntax
	}
	*p = T(s)
	return nil
}

func readCount(v []byte, p *uint64) error {
	if isNull(v) {
		return nil
	}
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: want a whole number, not negative", ErrType)
	}
	*p = n
	return nil
}

func readFloat(v []byte, p *float64) error {
	if isNull(v) {
		return nil
	}
	if c := v[0]; c != '-' && (c < '0' || c > '9') {
		return fmt.Errorf("%w: want a number", ErrType)
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return ErrEffort
	}
	*p = f
	return nil
}

func readRaw(v []byte, p *Raw) error {
	if depth(v) > MaxRawDepth {
		return ErrDepth
	}
	*p = raw(v)
	return nil
}

// readObject hands each field of an object to read, which ignores unknown ones.
func readObject(v []byte, read func(name string, v []byte) error) error {
	if isNull(v) {
		return nil
	}
	ms, err := members(v)
	if err != nil {
		return err
	}
	for _, m := range ms {
		if depth(m.value) > MaxFieldDepth {
			return ErrDepth
		}
		if err := read(m.name, m.value); err != nil {
			return within(m.name, err)
		}
	}
	return nil
}

func readArray[T any](v []byte, limit int, read func(*T, []byte) error) ([]T, error) {
	if isNull(v) {
		return nil, nil
	}
	es, err := elements(v, limit)
	if err != nil || len(es) == 0 {
		return nil, err
	}
	ts := make([]T, len(es))
	for i, e := range es {
		if err := read(&ts[i], e); err != nil {
			return nil, within("["+strconv.Itoa(i)+"]", err)
		}
	}
	return ts, nil
}
