// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/weftnet/weft/api/internal/shape"
)

// FieldNote is something worth knowing about a field that is not wrong.
type FieldNote struct {
	Path string
	Note string
	Line int // in the file the object was read from; 0 if unknown
}

// String renders the note for people.
func (n FieldNote) String() string { return n.Path + ": " + n.Note }

// NotYetEffective returns the fields that the user has set and that weft does not act upon yet, in order. A field set to
// its default, or to a value that turns off what there is not, is not among them: nothing is missing then.
func NotYetEffective(obj any) []FieldNote {
	var out []FieldNote
	v := reflect.Indirect(reflect.ValueOf(obj))
	if v.Kind() == reflect.Struct && shape.Own(v.Type()) {
		notesIn(v, "", &out)
	}
	return out
}

func notesIn(v reflect.Value, path string, out *[]FieldNote) {
	for _, f := range shape.Of(v.Type()).Fields {
		at := f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		value := v.FieldByIndex(f.Index)
		switch {
		case value.IsZero() || is(value, f.ParseDefault) || is(value, f.ParseIdle):
		case f.Later != "" && len(f.LaterValues) > 0:
			noteValues(value, &f, at, out)
		case f.Later != "":
			*out = append(*out, FieldNote{Path: at, Note: "accepted, without effect yet: " + f.Later})
		default:
			notesBelow(value, at, out)
		}
	}
}

// notesBelow looks into structs and lists of structs.
func notesBelow(v reflect.Value, path string, out *[]FieldNote) {
	v = reflect.Indirect(v)
	switch class, t := shape.ClassOf(v.Type()); {
	case class == shape.Object && shape.Own(t):
		notesIn(v, path, out)
	case class == shape.List:
		for i := range v.Len() {
			if item := reflect.Indirect(v.Index(i)); item.IsValid() {
				notesBelow(item, fmt.Sprintf("%s[%d]", path, i), out)
			}
		}
	}
}

// noteValues notes the single values of a list that have no effect yet.
func noteValues(v reflect.Value, f *shape.Field, path string, out *[]FieldNote) {
	for i := range v.Len() {
		if text := v.Index(i).String(); slices.Contains(f.LaterValues, text) {
			*out = append(*out, FieldNote{Path: fmt.Sprintf("%s[%d]", path, i), Note: text + " is accepted, without effect yet: " + f.Later})
		}
	}
}

func is(v reflect.Value, parse func() (reflect.Value, bool, error)) bool {
	standard, ok, err := parse()
	return ok && err == nil && reflect.DeepEqual(v.Interface(), standard.Interface())
}
