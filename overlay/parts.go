package overlay

import (
	"iter"

	"github.com/wobcompute/wobcompute/protocols"
)

// parts cuts a list of entries so that each part stays below so many bytes of JSON and
// so many entries. It yields at least one part of a list that is not empty.
func parts(list []protocols.Entry, bytes, entries int) iter.Seq[[]protocols.Entry] {
	return func(yield func([]protocols.Entry) bool) {
		for len(list) > 0 {
			n := fit(list, bytes, entries)
			if !yield(list[:n:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// fit counts the first entries that fit together, at least one.
func fit(list []protocols.Entry, bytes, entries int) int {
	size := 0
	for i := range list {
		size += jsonSize(&list[i])
		if i > 0 && (size > bytes || i >= entries) {
			return i
		}
	}
	return len(list)
}

// jsonSize estimates, from above, the length of an entry in JSON.
func jsonSize(e *protocols.Entry) int {
	n := 420 + len(e.ID) + len(e.Parent) + jsonText(e.App) + jsonText(string(e.Inc.Holder)) + len(e.State)
	for _, a := range e.Addrs {
		n += 3 + jsonText(a)
	}
	return n
}

// jsonText counts the bytes of s in JSON when everything unusual is escaped.
func jsonText(s string) int {
	n := len(s)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			n += 5
		}
	}
	return n
}
