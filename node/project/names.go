package project

import (
	"encoding/hex"
	"strings"

	"golang.org/x/mod/semver"
)

const (
	maxName    = 64
	maxThreads = 4096
)

// validName reports whether a name is fit for file names, URLs and protocol IDs.
func validName(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '.' || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !nameRune(r) })
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
}

// validVersion reports whether v is a semantic version in full, as in 1.2.3 or 1.2.3-rc.1.
// Build metadata is refused: it does not order.
func validVersion(v string) bool {
	return len(v) <= maxName && semver.Canonical("v"+v) == "v"+v
}

// CompareVersions orders two semantic versions: negative when a is older than b.
func CompareVersions(a, b string) int { return semver.Compare("v"+a, "v"+b) }

func validHash(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 64 && s == strings.ToLower(s)
}
