package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// UnknownFields lists the fields of an application's app.json that mean nothing to this
// version, sorted: a newer one's, or misspelt ones. Bad files have none; AddApp says what
// is wrong with them.
func UnknownFields(appDir string) []string {
	b, err := os.ReadFile(filepath.Join(appDir, SpecFile))
	if err != nil || len(b) > maxSpec {
		return nil
	}
	unknown := strangers("", b, reflect.TypeFor[specFile]())
	var f struct {
		Platforms map[string]json.RawMessage `json:"platforms"`
	}
	if json.Unmarshal(b, &f) == nil {
		for name, p := range f.Platforms {
			unknown = append(unknown, strangers("platforms."+name+".", p, reflect.TypeFor[platformSpec]())...)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// strangers lists the fields of an object that a struct has not.
func strangers(prefix string, object []byte, of reflect.Type) (names []string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return nil
	}
	known := map[string]bool{}
	for i := range of.NumField() {
		known[of.Field(i).Tag.Get("json")] = true
	}
	for name := range fields {
		if !known[strings.ToLower(name)] { // as encoding/json reads them
			names = append(names, prefix+name)
		}
	}
	return names
}

// specError puts an error of encoding/json in the words of who writes an app.json.
func specError(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err
	}
	value, _, _ := strings.Cut(kind.Value, " ") // "number 1.5"
	if kind.Field == "" {
		return fmt.Errorf("it is %s where an object is expected", article(value))
	}
	return fmt.Errorf("%q is %s where %s is expected", kind.Field, article(value), expected(kind.Type))
}

func article(value string) string {
	if value == "array" || value == "object" {
		return "an " + value
	}
	return "a " + value
}

func expected(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // those that an app.json has
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "an array of strings, the program and its arguments,"
	}
	return "an object"
}
