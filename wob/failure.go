package wob

import (
	"slices"
	"strings"
)

// AddFailure puts f into the WOB's history, which keeps the newest MaxFailures. Of an
// overlong error its beginning is kept, of an overlong log its end; bytes that are
// not UTF-8 are replaced.
func (w *WOB) AddFailure(f Failure) {
	f.Node = NodeID(clean(string(f.Node)[:min(len(f.Node), MaxName)], MaxName))
	f.Error = clean(f.Error[:min(len(f.Error), MaxLog)], MaxLog)
	f.Log = clean(f.Log[max(0, len(f.Log)-MaxLog):], MaxLog)
	w.Failures = append(w.Failures, f)
	w.Failures = slices.Delete(w.Failures, 0, max(0, len(w.Failures)-MaxFailures))
}

// clean makes s valid UTF-8 without making it longer.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	return s[:min(len(s), limit)]
}
