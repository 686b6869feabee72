package guard

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wobcompute/wobcompute/protocols"
)

// storyDirs hold the stories of the two machines. A story is a text file of inputs and the
// effects and events they cause; messages appear in it by their kind.
var storyDirs = []string{"overlay/testdata", "work/testdata"}

// notInStories are the kinds that no machine sends or receives.
var notInStories = []protocols.Kind{
	"NODE_HELLO", // exchanged by protocols/stream, before any other frame
}

// Owners returns the kinds that are not defined exactly once, in the file named after
// them: WOB_OFFER in protocols/wob_offer.go.
func Owners(files []*File, kinds []protocols.Kind) []string {
	var bad []string
	owned := make(map[protocols.Kind]string)
	for _, f := range files {
		if f.Test || f.Dir() != "protocols" {
			continue
		}
		for _, kind := range defined(f) {
			if want := strings.ToLower(string(kind)) + ".go"; path.Base(f.Path) != want {
				bad = append(bad, fmt.Sprintf("%s: defines %s, which belongs in %s", f.Path, kind, want))
			}
			if other, twice := owned[kind]; twice {
				bad = append(bad, fmt.Sprintf("%s: defines %s, as does %s", f.Path, kind, other))
			}
			owned[kind] = f.Path
		}
	}
	for _, kind := range kinds {
		if owned[kind] == "" {
			bad = append(bad, fmt.Sprintf("%s: no file of protocols defines it", kind))
		}
	}
	return bad
}

// defined returns the kinds for which a file calls Define.
func defined(f *File) []protocols.Kind {
	var kinds []protocols.Kind
	ast.Inspect(f.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		index, ok := call.Fun.(*ast.IndexExpr)
		if !ok {
			return true
		}
		if name, ok := index.X.(*ast.Ident); !ok || name.Name != "Define" {
			return true
		}
		if lit, ok := call.Args[0].(*ast.BasicLit); ok {
			if kind, err := strconv.Unquote(lit.Value); err == nil {
				kinds = append(kinds, protocols.Kind(kind))
			}
		}
		return true
	})
	return kinds
}

// word is what a kind looks like in a story.
var word = regexp.MustCompile(`[A-Z]+_[A-Z_]*[A-Z]`)

// Untold returns the kinds that appear in none of the stories.
func Untold(kinds []protocols.Kind, stories []string) []string {
	told := make(map[string]bool)
	for _, s := range stories {
		for _, w := range word.FindAllString(s, -1) {
			told[w] = true
		}
	}
	var bad []string
	for _, kind := range kinds {
		if !told[string(kind)] && !slices.Contains(notInStories, kind) {
			bad = append(bad, fmt.Sprintf("%s: appears in no story of %s", kind, strings.Join(storyDirs, " or ")))
		}
	}
	return bad
}

// Stories returns the text of every story below the module's root.
func Stories(root fs.FS) ([]string, error) {
	var stories []string
	for _, dir := range storyDirs {
		names, err := fs.Glob(root, dir+"/*.txt")
		if err != nil {
			return nil, fmt.Errorf("stories in %s: %w", dir, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(root, name)
			if err != nil {
				return nil, err
			}
			stories = append(stories, string(text))
		}
	}
	return stories, nil
}
