package guard

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// pure are the packages without I/O, clocks, locks, goroutines and chance of their own,
// with all below them but the exceptions: the state machines and what they stand on.
var (
	pure    = []string{"core", "wob", "protocols", "overlay", "work"}
	notPure = []string{"protocols/stream", "protocols/gen"}
)

// impure are the parts of the standard library that a pure package does without,
// each with all below it.
var impure = []string{
	"context", "crypto/rand", "log", "math/rand", "net", "os", "os/exec", "plugin", "runtime",
	"sync", "syscall", "testing", "unsafe",
}

// clocks are the functions and types of package time that read or wait for a clock.
var clocks = []string{
	"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Ticker", "Timer", "Until",
}

// seeded is what a pure package may use of math/rand/v2: a generator that was handed in.
// Everything else draws from the process-wide one.
var seeded = []string{"ChaCha8", "NewChaCha8", "New", "NewPCG", "NewZipf", "PCG", "Rand", "Source", "Zipf"}

// excused are the exceptions, each for one file: what its complaint contains.
var excused = map[string][]string{
	// Compression is a function of bytes; only the free lists that save its memory are
	// channels, and no machine calls it.
	"protocols/codec.go": {"imports github.com/klauspost/compress/", "channel"},
}

func isPure(dir string) bool { return withinAny(dir, pure) && !withinAny(dir, notPure) }

// Purity returns what a file of a pure package does that it must not.
func Purity(f *File) []string {
	if f.Test || !isPure(f.Dir()) {
		return nil
	}
	bad := impureImports(f)
	names := f.imports()
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if what := impureNode(n, names); what != "" {
			bad = append(bad, fmt.Sprintf("%s: %s in a pure package", f.at(n), what))
		}
		return true
	})
	return slices.DeleteFunc(bad, func(complaint string) bool {
		return slices.ContainsFunc(excused[f.Path], func(e string) bool { return strings.Contains(complaint, e) })
	})
}

func impureImports(f *File) []string {
	var bad []string
	for imp, name := range f.imports() {
		rel, ours := strings.CutPrefix(imp, Module+"/")
		switch {
		case name == "." || name == "_":
			bad = append(bad, fmt.Sprintf("%s: import of %s as %q hides what is used", f.Path, imp, name))
		case ours && !isPure(rel):
			bad = append(bad, fmt.Sprintf("%s: a pure package imports %s, which is not", f.Path, rel))
		case !ours && !standard(imp):
			bad = append(bad, fmt.Sprintf("%s: a pure package imports %s", f.Path, imp))
		case imp == "math/rand/v2":
		case standard(imp) && withinAny(imp, impure):
			bad = append(bad, fmt.Sprintf("%s: a pure package imports %s", f.Path, imp))
		}
	}
	slices.Sort(bad)
	return bad
}

// impureNode names what is impure in one node of the syntax tree, "" for nothing.
func impureNode(n ast.Node, imports map[string]string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "goroutine"
	case *ast.ChanType:
		return "channel"
	case *ast.SelectorExpr:
		pkg, ok := n.X.(*ast.Ident)
		if !ok {
			return ""
		}
		if imports["time"] == pkg.Name && slices.Contains(clocks, n.Sel.Name) {
			return "time." + n.Sel.Name
		}
		if imports["math/rand/v2"] == pkg.Name && !slices.Contains(seeded, n.Sel.Name) {
			return "global rand." + n.Sel.Name
		}
		if imports["fmt"] == pkg.Name && strings.HasPrefix(n.Sel.Name, "Print") {
			return "fmt." + n.Sel.Name
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			return id.Name
		}
	}
	return ""
}
