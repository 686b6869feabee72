package wob

import (
	"slices"
	"strings"
)

// AddFailure puts f into the WOB's history, which keeps the newest MaxFailures. Of an
// overlong error its beginning is kept, of an overlong log its end; bytes that are
// not UTF-8 are replaced.
func (w *WOB) AddFailure(f Failure) {
	f.Node = NodeID(clean(string(f.Node[:min(len(f.Node), MaxName)])))
	f.Error = clean(f.Error[:min(len(f.Error), MaxLog)])
	f.Log = clean(f.Log[max(0, len(f.Log)-MaxLog):])
	w.Failures = append(w.Failures, f)
	w.Failures = slices.Delete(w.Failures, 0, max(0, len(w.Failures)-MaxFailures))
}

// clean makes s valid UTF-8, never longer than it was; a cut may have split a rune.
// It copies, so as not to keep the long string alive for its short part.
func clean(s string) string { return strings.Clone(strings.ToValidUTF8(s, "?")) }
