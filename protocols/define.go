package protocols

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/wobcompute/wobcompute/wob"
)

// Definition is one line of the catalogue: all that is known about a kind of message.
type Definition struct {
	Kind  Kind
	Rules Rules
	Type  reflect.Type // of the body, a struct

	shape *shape
	parse func(data []byte) (Body, error)
}

// catalogue holds every kind. It is written by Define alone, while the package initialises.
var catalogue = map[Kind]*Definition{}

// Define enters the message type T in the catalogue and returns its line. It is called once for
// each kind, by the file that declares T, and panics on a mistake a programmer made there.
func Define[T Body](kind Kind, rules Rules) *Definition {
	var zero T
	switch {
	case zero.Kind() != kind:
		panic(fmt.Sprintf("protocols: %T says it is %s, not %s", zero, zero.Kind(), kind))
	case catalogue[kind] != nil:
		panic(fmt.Sprintf("protocols: %s is defined twice", kind))
	case !slices.Contains(Prefixes(), kind.Prefix()):
		panic(fmt.Sprintf("protocols: %s has no handler: unknown prefix", kind))
	case rules.MaxBytes <= 0:
		panic(fmt.Sprintf("protocols: %s has no limit", kind))
	}
	if _, ok := any(zero).(Carrier); ok != (rules.WOBs > 0) {
		panic(fmt.Sprintf("protocols: %s: its rules and its type disagree on carrying WOBs", kind))
	}
	d := &Definition{Kind: kind, Rules: rules, Type: reflect.TypeFor[T]()}
	d.shape = shapeOf(d.Type)
	d.parse = func(data []byte) (Body, error) {
		var body T
		if err := json.Unmarshal(data, &body); err != nil {
			return nil, err
		}
		return body, nil
	}
	catalogue[kind] = d
	return d
}

// Lookup returns the catalogue's line for kind; ok is false for an unknown kind.
func Lookup(kind Kind) (d *Definition, ok bool) {
	d, ok = catalogue[kind]
	return d, ok
}

// Catalogue returns every kind, sorted by name.
func Catalogue() []*Definition {
	all := make([]*Definition, 0, len(catalogue))
	for _, d := range catalogue {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *Definition) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return all
}

// Prefixes returns the four prefixes, in the order of the paper's handlers.
func Prefixes() []Prefix { return []Prefix{PrefixNode, PrefixCL, PrefixWOB, PrefixApp} }

// Prefix returns the part of the kind before the first underscore.
func (k Kind) Prefix() Prefix {
	before, _, _ := strings.Cut(string(k), "_")
	return Prefix(before)
}

// one is the list of the WOB w, empty for nil.
func one(w *wob.WOB) []*wob.WOB {
	if w == nil {
		return nil
	}
	return []*wob.WOB{w}
}
