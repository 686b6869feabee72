package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// typeDoc is what the source says about a struct type.
type typeDoc struct {
	doc    string
	fields []field
}

// field is one JSON field of a struct.
type field struct {
	name, typ, doc string
	optional       bool
}

// source collects the struct types of the package in dir, by name.
func source(dir string) (map[string]typeDoc, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	docs := map[string]typeDoc{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		code, err := os.ReadFile(path) //nolint:gosec // our own source
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, code, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		for _, decl := range file.Decls {
			collect(docs, decl)
		}
	}
	return docs, nil
}

func collect(docs map[string]typeDoc, decl ast.Decl) {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.TYPE {
		return
	}
	for _, spec := range gen.Specs {
		typ := spec.(*ast.TypeSpec)
		body, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		d := typeDoc{doc: oneLine(gen.Doc)}
		for _, f := range body.Fields.List {
			d.fields = append(d.fields, fieldsOf(f)...)
		}
		docs[typ.Name.Name] = d
	}
}

func fieldsOf(f *ast.Field) []field {
	if f.Tag == nil {
		return nil
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return nil
	}
	name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	typ := types.ExprString(f.Type)
	if name == "-" && len(f.Names) == 1 {
		name = strings.ToLower(f.Names[0].Name) + " (behind it)" // a section of its own
	}
	doc := oneLine(f.Comment)
	if doc == "" {
		doc = oneLine(f.Doc)
	}
	return []field{{name: name, typ: typ, doc: doc, optional: strings.Contains(options, "omit")}}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
