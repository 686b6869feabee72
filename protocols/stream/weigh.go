package stream

import "reflect"

// weigh estimates the encoded size of a body without encoding it, so that the node's loop pays only for
// a walk over its lists.
func weigh(v reflect.Value) int {
	switch v.Kind() {
	case reflect.String:
		return v.Len() + 8
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 4
		}
		return weigh(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Len() * 4 / 3
		}
		n := 2
		for i := range v.Len() {
			n += weigh(v.Index(i))
		}
		return n
	case reflect.Map:
		return v.Len() * 80
	case reflect.Struct:
		n := 0
		for i := range v.NumField() {
			n += weigh(v.Field(i)) + 12
		}
		return n
	default:
		return 8
	}
}
