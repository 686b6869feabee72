package protocols

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/wobcompute/wobcompute/wob"
)

// Bounds of the JSON of a body, beside its size. They hold before anything is allocated for it: a
// list of empty objects would otherwise cost seventy times its length.
const (
	maxDepth    = 64
	maxElements = maxEntries
	maxKeys     = 2 * maxSupervisors
)

// strict checks data, one JSON object, for what encoding/json lets pass: invalid UTF-8, keys given
// twice or in another case than the field's, deep nesting and endless lists. Unknown fields
// are allowed: a newer version's.
func strict(data []byte, s *shape) error {
	if !utf8.Valid(data) {
		return ErrEncoding
	}
	sc := scanner{data: data}
	sc.space()
	if sc.peek() != '{' {
		return ErrSyntax
	}
	if err := sc.value(s, 0); err != nil {
		return err
	}
	if sc.space(); sc.pos != len(data) {
		return ErrTrailing
	}
	return nil
}

// scanner walks JSON along a shape. It finds the structure and leaves the grammar of numbers, texts
// and literals to encoding/json, which reads the same bytes afterwards.
type scanner struct {
	data []byte
	pos  int
}

func (sc *scanner) peek() byte {
	if sc.pos < len(sc.data) {
		return sc.data[sc.pos]
	}
	return 0
}

func (sc *scanner) space() {
	for sc.pos < len(sc.data) {
		switch sc.data[sc.pos] {
		case ' ', '\t', '\n', '\r':
			sc.pos++
		default:
			return
		}
	}
}

func (sc *scanner) value(s *shape, depth int) error {
	if s != nil && s.opaque {
		return sc.skipOpaque()
	}
	b := sc.peek()
	if (b == '{' || b == '[') && depth == maxDepth {
		return ErrNesting
	}
	switch b {
	case '{':
		return sc.object(s, depth+1)
	case '[':
		return sc.array(s, depth+1)
	case '"':
		return sc.skipText()
	}
	return sc.literal()
}

func (sc *scanner) array(s *shape, depth int) error {
	var elem *shape
	if s != nil {
		elem = s.elem
	}
	sc.pos++
	for n := 0; ; n++ {
		sc.space()
		if n == 0 && sc.peek() == ']' {
			sc.pos++
			return nil
		}
		if n == maxElements {
			return ErrTooMany
		}
		if err := sc.value(elem, depth); err != nil {
			return err
		}
		if done, err := sc.next(']'); done || err != nil {
			return err
		}
	}
}

func (sc *scanner) object(s *shape, depth int) error {
	seen := map[string]struct{}{}
	sc.pos++
	for n := 0; ; n++ {
		sc.space()
		if n == 0 && sc.peek() == '}' {
			sc.pos++
			return nil
		}
		if n == maxKeys {
			return ErrTooMany
		}
		key, err := sc.text()
		if err != nil {
			return err
		}
		if _, twice := seen[key]; twice {
			return ErrKey
		}
		seen[key] = struct{}{}
		inner, err := s.field(key)
		if err != nil {
			return err
		}
		if sc.space(); sc.peek() != ':' {
			return ErrSyntax
		}
		sc.pos++
		sc.space()
		if err := sc.value(inner, depth); err != nil {
			return err
		}
		if done, err := sc.next('}'); done || err != nil {
			return err
		}
	}
}

// field returns the shape of the value under key, and refuses a key that encoding/json would take
// for a field although it is written differently.
func (s *shape) field(key string) (*shape, error) {
	if s == nil {
		return nil, nil
	}
	if s.fields == nil {
		return s.elem, nil
	}
	if inner, ok := s.fields[key]; ok {
		return inner, nil
	}
	for name := range s.fields { // any match is the same error
		if strings.EqualFold(name, key) {
			return nil, ErrKey
		}
	}
	return nil, nil
}

// next steps over a comma, or over the closing byte.
func (sc *scanner) next(closing byte) (done bool, err error) {
	sc.space()
	switch sc.peek() {
	case ',':
		sc.pos++
		return false, nil
	case closing:
		sc.pos++
		return true, nil
	}
	return false, ErrSyntax
}

// text steps over a string and returns what it says.
func (sc *scanner) text() (string, error) {
	if sc.peek() != '"' {
		return "", ErrSyntax
	}
	start, escaped := sc.pos, false
	for sc.pos++; sc.pos < len(sc.data); sc.pos++ {
		switch sc.data[sc.pos] {
		case '\\':
			escaped = true
			sc.pos++
		case '"':
			sc.pos++
			if !escaped {
				return string(sc.data[start+1 : sc.pos-1]), nil
			}
			var s string
			if json.Unmarshal(sc.data[start:sc.pos], &s) != nil {
				return "", ErrSyntax
			}
			return s, nil
		}
	}
	return "", ErrSyntax
}

// literal steps over a number, true, false or null.
func (sc *scanner) literal() error {
	start := sc.pos
	for sc.pos < len(sc.data) && !strings.ContainsRune(" \t\r\n,:]}[{\"", rune(sc.data[sc.pos])) {
		sc.pos++
	}
	if sc.pos == start {
		return ErrSyntax
	}
	return nil
}

// skipOpaque steps over a value of the application's, whose inside is none of our business but for
// its nesting.
func (sc *scanner) skipOpaque() error {
	for open := 0; ; {
		switch sc.peek() {
		case '{', '[':
			if open++; open > wob.MaxRawDepth {
				return ErrNesting
			}
			sc.pos++
		case '}', ']':
			open--
			sc.pos++
		case ',', ':', ' ', '\t', '\n', '\r':
			if open == 0 {
				return ErrSyntax
			}
			sc.pos++
			continue
		case '"':
			if err := sc.skipText(); err != nil {
				return err
			}
		default:
			if err := sc.literal(); err != nil {
				return err
			}
		}
		if open <= 0 {
			return nil
		}
	}
}

// skipText is text without keeping it.
func (sc *scanner) skipText() error {
	for sc.pos++; sc.pos < len(sc.data); sc.pos++ {
		switch sc.data[sc.pos] {
		case '\\':
			sc.pos++
		case '"':
			sc.pos++
			return nil
		}
	}
	return ErrSyntax
}
