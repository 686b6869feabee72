package wob

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Bounds of the objects that the middleware itself reads: names are compared in pairs.
const (
	maxMembers = 64  // fields
	maxKey     = 256 // bytes of a field's name as written
)

// member is one field of a JSON object: its name, and name and value as written.
type member struct {
	name       string
	key, value []byte
}

// members splits a JSON object that check has accepted into its fields, in order.
// It refuses two fields of one name, also when they differ in case only: readers
// of JSON disagree on which of them counts.
func members(b []byte) ([]member, error) {
	if len(b) == 0 || b[0] != '{' {
		return nil, fmt.Errorf("%w: want an object", ErrType)
	}
	var ms []member
	for i := space(b, 1); b[i] != '}'; {
		if b[i] == ',' {
			i = space(b, i+1)
		}
		end := skip(b, i)
		m := member{key: b[i:end]}
		if len(m.key) > maxKey {
			return nil, fmt.Errorf("%w: field name of %d bytes", ErrLimit, len(m.key))
		}
		if err := json.Unmarshal(m.key, &m.name); err != nil {
			return nil, ErrSyntax
		}
		i = space(b, space(b, end)+1) // over the colon
		end = skip(b, i)
		m.value = b[i:end]
		i = space(b, end)
		if len(ms) == maxMembers {
			return nil, fmt.Errorf("%w: more than %d fields", ErrLimit, maxMembers)
		}
		if slices.ContainsFunc(ms, func(o member) bool { return strings.EqualFold(o.name, m.name) }) {
			return nil, fmt.Errorf("%w: %.64q", ErrDuplicate, m.name)
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// elements splits a JSON array that check has accepted into at most limit values.
func elements(b []byte, limit int) ([][]byte, error) {
	if len(b) == 0 || b[0] != '[' {
		return nil, fmt.Errorf("%w: want an array", ErrType)
	}
	var es [][]byte
	for i := space(b, 1); b[i] != ']'; {
		if b[i] == ',' {
			i = space(b, i+1)
		}
		if len(es) == limit {
			return nil, fmt.Errorf("%w: more than %d elements", ErrLimit, limit)
		}
		end := skip(b, i)
		es = append(es, b[i:end])
		i = space(b, end)
	}
	return es, nil
}

// rest packs unknown fields, sorted by name, in the form in which they are appended
// to an object that already has fields: `,"key":value,"key":value`. Being a string,
// it is immutable and shared by clones. A name that differs from a known one in case
// only is refused.
func rest(ms, known []member) (string, error) {
	slices.SortFunc(ms, func(a, b member) int { return strings.Compare(a.name, b.name) })
	var out strings.Builder
	for _, m := range ms {
		if i := slices.IndexFunc(known, func(k member) bool { return strings.EqualFold(k.name, m.name) }); i >= 0 {
			return "", fmt.Errorf("%w: %.64q, want %q", ErrCase, m.name, known[i].name)
		}
		if depth(m.value) > MaxFieldDepth {
			return "", fmt.Errorf("%w in %.64q", ErrDepth, m.name)
		}
		out.WriteByte(',')
		out.Write(m.key)
		out.WriteByte(':')
		out.Write(m.value)
	}
	return out.String(), nil
}

// names makes the list of known fields for rest.
func names(ns ...string) []member {
	ms := make([]member, len(ns))
	for i, n := range ns {
		ms[i].name = n
	}
	return ms
}

// space returns the index of the first byte at or after i that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skip returns the end of the value that starts at i in valid JSON.
func skip(b []byte, i int) int {
	for open := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			open++
			i++
		case '}', ']':
			open--
			i++
		case ' ', '\n', '\t', '\r', ',', ':':
			i++
			continue // never the end of a value
		default: // a number, true, false or null
			for i++; i < len(b) && !strings.ContainsRune(" \n\t\r,:]}", rune(b[i])); i++ {
			}
		}
		if open == 0 {
			break
		}
	}
	return min(i, len(b))
}

// skipString returns the index after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// depth returns how deep arrays and objects nest in b, which need not be valid.
func depth(b []byte) int {
	deepest, open := 0, 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			open++
			deepest = max(deepest, open)
		case '}', ']':
			open--
		}
		i++
	}
	return deepest
}
