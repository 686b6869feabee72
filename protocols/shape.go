package protocols

import (
	"encoding/json"
	"reflect"
	"strings"
)

// shape is what the strict scan must know of a Go type: the exact names of its fields. A nil shape
// stands for a value of which nothing is known, such as an unknown field.
type shape struct {
	fields map[string]*shape // of a struct; nil for a list or a map
	elem   *shape            // of a list or a map
	opaque bool              // the type decodes itself: the application's raw JSON
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// shapeOf derives the shape of t. The bodies are trees: no type contains itself.
func shapeOf(t reflect.Type) *shape {
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return &shape{opaque: true}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.Slice, reflect.Array, reflect.Map:
		return &shape{elem: shapeOf(t.Elem())}
	case reflect.Struct:
		s := &shape{fields: map[string]*shape{}}
		s.addFields(t)
		return s
	default:
		return nil
	}
}

func (s *shape) addFields(t reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			s.addFields(f.Type)
		case name == "":
			s.fields[f.Name] = shapeOf(f.Type)
		default:
			s.fields[name] = shapeOf(f.Type)
		}
	}
}
