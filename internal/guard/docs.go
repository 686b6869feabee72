package guard

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
)

// maxLines is the length a source file must not pass; one behaviour fits in less.
// Tests and generated files may be longer.
const maxLines = 500

// TooLong returns the file if it is longer than the limit.
func TooLong(f *File) []string {
	if f.Test || ast.IsGenerated(f.AST) || f.Lines <= maxLines {
		return nil
	}
	return []string{fmt.Sprintf("%s: %d lines, at most %d: one behaviour, one file", f.Path, f.Lines, maxLines)}
}

// Undocumented returns the exported names of a file that no doc comment explains. A
// comment above a group of constants, variables or types speaks for the whole group, one
// at the end of the line for that line. Methods are left out: many only satisfy an
// interface, which says what they do.
func Undocumented(f *File) []string {
	if f.Test || f.AST.Name.Name == "main" {
		return nil
	}
	var bad []string
	complain := func(n ast.Node, name string) {
		bad = append(bad, fmt.Sprintf("%s: exported %s has no doc comment", f.at(n), name))
	}
	for _, decl := range f.AST.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() && d.Doc == nil {
				complain(d, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Doc != nil {
				continue
			}
			for _, s := range d.Specs {
				for _, name := range bareNames(s) {
					complain(s, name)
				}
			}
		}
	}
	return bad
}

// bareNames returns the exported names of one declaration that has no comment of its own.
func bareNames(s ast.Spec) []string {
	var names []string
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		if s.Doc != nil || s.Comment != nil {
			return nil
		}
		for _, n := range s.Names {
			if n.IsExported() {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// PackagesWithoutDoc returns the packages of which no file has a package comment.
func PackagesWithoutDoc(files []*File) []string {
	documented := make(map[string]bool)
	for _, f := range files {
		if !f.Test {
			documented[f.Dir()] = documented[f.Dir()] || f.AST.Doc != nil
		}
	}
	var bad []string
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			bad = append(bad, dir+": package has no doc comment")
		}
	}
	return bad
}
