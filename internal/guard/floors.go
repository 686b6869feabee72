package guard

import (
	"fmt"
	"slices"
	"strings"
)

// floors says which of the module's packages each package may import, for itself and all
// below it; the longest entry counts. A package's own subtree is always allowed. Tests are
// free: they may look up the floors.
var floors = map[string][]string{
	"core":             {},
	"wob":              {},
	"protocols":        {"core", "wob"},
	"protocols/stream": {"core", "wob", "protocols"},
	"overlay":          {"core", "wob", "protocols"},
	"work":             {"core", "wob", "protocols"},
	"sim":              {"core", "wob", "protocols", "overlay", "work"},
	"node":             {"core", "wob", "protocols", "overlay", "work", "gateway/api"},
	"gateway/api":      {"wob"},
	"gateway":          {"core", "wob", "protocols", "overlay", "work", "node"},
	"sdk":              {"wob"},
	"examples":         {"wob", "sdk"},
	"cmd":              {"core", "wob", "protocols", "overlay", "work", "node", "gateway", "sim", "sdk", "examples"},
	"bench":            {"core", "wob", "protocols", "overlay", "work", "node", "gateway", "sdk"},
	"itest":            {"core", "wob", "protocols", "overlay", "work", "node", "gateway", "sdk"},
	"internal/guard":   {"protocols"},
}

// onlyFrom narrows the floors: the packages named are for these importers alone.
var onlyFrom = map[string][]string{
	"protocols/stream": {"protocols/stream", "node", "bench", "itest"},
}

// bare are the packages that take nothing from outside the module and the standard
// library: whoever copies an application needs nothing else.
var bare = []string{"sdk", "examples"}

// libp2p are the module paths of libp2p and its address formats, withLibp2p the packages
// that may import them.
var (
	libp2p     = []string{"github.com/libp2p", "github.com/multiformats"}
	withLibp2p = []string{"node", "protocols/stream", "gateway", "cmd", "bench", "itest"}
)

// Floors returns the imports of a file that its package must not have.
func Floors(f *File) []string {
	dir := f.Dir()
	entry, allowed, known := floorOf(dir)
	if !known {
		return []string{fmt.Sprintf("%s: package %s stands on no floor: add it to floors in internal/guard", f.Path, dir)}
	}
	var bad []string
	for imp := range f.imports() {
		if why := refused(f, imp, entry, allowed); why != "" {
			bad = append(bad, fmt.Sprintf("%s: %s imports %s: %s", f.Path, dir, imp, why))
		}
	}
	slices.Sort(bad)
	return bad
}

// refused says why a file may not have an import, "" if it may.
func refused(f *File, imp, entry string, allowed []string) string {
	dir := f.Dir()
	if withinAny(imp, libp2p) && !withinAny(dir, withLibp2p) {
		return "libp2p belongs to " + strings.Join(withLibp2p, ", ")
	}
	if f.Test || standard(imp) {
		return ""
	}
	rel, ours := strings.CutPrefix(imp, Module+"/")
	if !ours {
		if withinAny(dir, bare) {
			return "it takes the standard library alone"
		}
		return ""
	}
	if users, narrowed := onlyFrom[rel]; narrowed && !withinAny(dir, users) {
		return "only for " + strings.Join(users, ", ")
	}
	target, _, _ := floorOf(rel)
	if !within(rel, entry) && !slices.Contains(allowed, target) && !slices.Contains(allowed, parent(target)) {
		return "not on a floor below"
	}
	return ""
}

// floorOf returns the longest entry of floors that dir lies in.
func floorOf(dir string) (entry string, allowed []string, known bool) {
	for e, a := range floors {
		if within(dir, e) && len(e) >= len(entry) {
			entry, allowed, known = e, a, true
		}
	}
	return entry, allowed, known
}

// parent returns the floor entry that an entry lies in, itself if in none: who may import
// gateway may import gateway/api too.
func parent(entry string) string {
	for e := range floors {
		if e != entry && within(entry, e) {
			return e
		}
	}
	return entry
}
