// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package shape describes api types by reflection: Of a struct type gives its JSON fields with the rules of their struct tags.
//
// One tag is the one source of a rule: defaulting, validation, the CRD schema, the reference docs and the "not yet
// effective" report all read it from here.
//
//	default:"26"         value of an absent field, as JSON (strings without quotes)
//	defaultText:"..."    the default in words, when it depends on other fields
//	enum:"Never Always"  the values allowed; for lists, of each element
//	min:"1" max:"10"     limits of a number, inclusive
//	maxLen:"253"         longest text; for lists, of each element
//	maxItems:"10"        longest list
//	format:"selector"    what a text must be, see [Formats]; for lists, each element
//	immutable:"true"     refused when an update changes it
//	later:"tunnels"      what it needs has no effect yet; the text says why
//	laterValues:"A B"    only these values have no effect yet
//	idle:"0s"            with this value nothing is missing, though there is a later
//
// On an embedded struct, later holds for all its fields.
package shape

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Field is one JSON field of a struct.
type Field struct {
	Name   string       // in JSON
	Owner  reflect.Type // the struct that declares it, which may be embedded
	GoName string
	Index  []int // for reflect.Value.FieldByIndex
	Type   reflect.Type
	Class  Class        // of Type
	Target reflect.Type // behind the pointers of Type

	Required    bool // no omitempty and no omitzero: the user must state it
	Immutable   bool
	Default     string
	DefaultText string
	Enum        []string
	Min, Max    *int64
	MaxLen      int
	MaxItems    int
	Format      string
	Later       string
	LaterValues []string
	Idle        string
	// Free: any value of the type will do, so that there is nothing to check.
	Free bool
}

// Struct is the shape of a struct type.
type Struct struct {
	Type   reflect.Type
	Fields []Field
	byName map[string]int
}

// Field returns the field with a JSON name, or nil.
func (s *Struct) Field(name string) *Field {
	if i, ok := s.byName[name]; ok {
		return &s.Fields[i]
	}
	return nil
}

// Names yields the JSON names in order of declaration.
func (s *Struct) Names(yield func(string) bool) {
	for i := range s.Fields {
		if !yield(s.Fields[i].Name) {
			return
		}
	}
}

// Own tells whether t is a struct type of weft, whose tags hold rules. Those of Kubernetes have none.
func Own(t reflect.Type) bool { return strings.HasPrefix(t.PkgPath(), ownPackages) }

const ownPackages = "github.com/weftnet/weft/api/"

var cache sync.Map // reflect.Type -> *Struct

// Of returns the shape of struct type t. Inline and embedded structs are flattened, as encoding/json does.
func Of(t reflect.Type) *Struct {
	if s, ok := cache.Load(t); ok {
		return s.(*Struct)
	}
	s := &Struct{Type: t, byName: map[string]int{}}
	s.add(t, nil, "")
	for i, f := range s.Fields {
		s.byName[f.Name] = i
	}
	got, _ := cache.LoadOrStore(t, s)
	return got.(*Struct)
}

func (s *Struct) add(t reflect.Type, above []int, later string) {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(append([]int(nil), above...), i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-" || !sf.IsExported():
		case sf.Anonymous && name == "":
			s.add(sf.Type, index, sf.Tag.Get("later"))
		default:
			f := newField(t, sf, name, options, index)
			f.Later = cmp.Or(f.Later, later)
			s.Fields = append(s.Fields, f)
		}
	}
}

func newField(owner reflect.Type, sf reflect.StructField, name, options string, index []int) Field {
	tag := sf.Tag
	class, target := ClassOf(sf.Type)
	f := Field{
		Name: name, Owner: owner, GoName: sf.Name, Index: index, Type: sf.Type, Class: class, Target: target,
		Required:    !strings.Contains(options, "omit"),
		Immutable:   tag.Get("immutable") == "true",
		Default:     tag.Get("default"),
		DefaultText: tag.Get("defaultText"),
		Enum:        strings.Fields(tag.Get("enum")),
		Min:         limit(tag, "min"),
		Max:         limit(tag, "max"),
		MaxLen:      int(orZero(limit(tag, "maxLen"))),
		MaxItems:    int(orZero(limit(tag, "maxItems"))),
		Format:      tag.Get("format"),
		Later:       tag.Get("later"),
		LaterValues: strings.Fields(tag.Get("laterValues")),
		Idle:        tag.Get("idle"),
	}
	f.Free = f.free()
	return f
}

func (f *Field) free() bool {
	switch f.Class {
	case Text, Boolean, Integer, Number, Map:
		stated := f.Required && f.Class == Text
		return !stated && len(f.Enum) == 0 && f.Min == nil && f.Max == nil && f.MaxLen == 0 && f.Format == ""
	}
	return false
}

// limit reads a number from a tag. A tag that is no number is a mistake in the source; TestTags finds it.
func limit(tag reflect.StructTag, name string) *int64 {
	n, err := strconv.ParseInt(tag.Get(name), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// Class is what a type is in JSON.
type Class int

// The classes. Leaf types read themselves with json.Unmarshaler.
const (
	Text Class = iota
	Boolean
	Integer
	Number
	Object
	List
	Map
	Leaf
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// ClassOf returns the class of a type, looking through pointers, and the type behind them.
func ClassOf(t reflect.Type) (Class, reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return Leaf, t
	}
	switch t.Kind() {
	case reflect.String:
		return Text, t
	case reflect.Bool:
		return Boolean, t
	case reflect.Float32, reflect.Float64:
		return Number, t
	case reflect.Struct:
		return Object, t
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return Text, t // base64
		}
		return List, t
	case reflect.Map:
		return Map, t
	default:
		return Integer, t
	}
}

// Limits says in words what values f takes, or "" if its type says it all.
func (f *Field) Limits() string {
	switch {
	case len(f.Enum) > 0:
		return "one of " + strings.Join(f.Enum, ", ")
	case f.Min != nil && f.Max != nil:
		return fmt.Sprintf("%d to %d", *f.Min, *f.Max)
	case f.Min != nil:
		return fmt.Sprintf("%d or more", *f.Min)
	case f.MaxItems > 0:
		return fmt.Sprintf("at most %d entries", f.MaxItems)
	case f.MaxLen > 0:
		return fmt.Sprintf("at most %d characters", f.MaxLen)
	default:
		return ""
	}
}

// ParseDefault returns the default of f as a value of its type, ready to be set; ok is false when it has none.
func (f *Field) ParseDefault() (v reflect.Value, ok bool, err error) {
	return f.parse("default", f.Default)
}

// ParseIdle is the same for the value with which nothing is missing.
func (f *Field) ParseIdle() (v reflect.Value, ok bool, err error) { return f.parse("idle", f.Idle) }

func (f *Field) parse(tag, value string) (v reflect.Value, ok bool, err error) {
	if value == "" {
		return reflect.Value{}, false, nil
	}
	text := []byte(value)
	if class, _ := ClassOf(f.Type); class == Text || class == Leaf && !json.Valid(text) {
		text, _ = json.Marshal(value) // a string always marshals
	}
	out := reflect.New(f.Type)
	if err := json.Unmarshal(text, out.Interface()); err != nil {
		return reflect.Value{}, false, fmt.Errorf("%s of %s.%s: %w", tag, f.Owner.Name(), f.GoName, err)
	}
	return out.Elem(), true, nil
}
