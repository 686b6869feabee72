// Package guard holds the rules of the code base as tests that need nothing but the go
// command: the pure packages stay pure, imports go down the floors, libp2p stays where
// it belongs, everything public is documented and no file grows past its limit.
//
// The linter's configuration holds some of the same rules; these hold without it, and
// each checker is itself checked against sources that break its rule.
package guard

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of the module that is guarded.
const Module = "github.com/wobcompute/wobcompute"

// File is one parsed Go source file of the module.
type File struct {
	Path  string // slash-separated, relative to the module's root
	Test  bool   // a _test.go file
	Lines int
	Set   *token.FileSet
	AST   *ast.File
}

// Dir is the directory of the file's package, "." for the module's root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// at says where a node of the file is, as path:line.
func (f *File) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.Set.Position(n.Pos()).Line)
}

// imports returns the paths that the file imports, each with the name it is used by.
func (f *File) imports() map[string]string {
	found := make(map[string]string)
	for _, spec := range f.AST.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser accepts nothing that does not unquote
		}
		found[p] = importName(p, spec.Name)
	}
	return found
}

// importName is the name by which a file uses an import; a version suffix names nothing.
func importName(p string, given *ast.Ident) string {
	if given != nil {
		return given.Name
	}
	base := path.Base(p)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(p))
	}
	return base
}

// Parse parses one source text that stands for the file at the given path.
func Parse(name, src string) (*File, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Path:  name,
		Test:  strings.HasSuffix(name, "_test.go"),
		Lines: strings.Count(src, "\n"),
		Set:   set,
		AST:   tree,
	}, nil
}

// Load parses every Go file of the module at root, whatever its build tags, in the order
// of their paths. Directories that the go command ignores are left out.
func Load(root string) ([]*File, error) {
	var files []*File
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && ignored(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := Parse(filepath.ToSlash(rel), string(src))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func ignored(dir string) bool {
	return dir == "testdata" || dir == "vendor" || dir[0] == '.' || dir[0] == '_'
}

// within reports whether dir is prefix or lies below it.
func within(dir, prefix string) bool {
	return dir == prefix || strings.HasPrefix(dir, prefix+"/")
}

func withinAny(dir string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return within(dir, p) })
}

// standard reports whether an import path belongs to the standard library: its first
// element has no dot.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}
