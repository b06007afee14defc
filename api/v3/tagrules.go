// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/internal/shape"
)

// structRules is what there is to check of a struct type: the tags of its fields, read once. Validation is a large part of what a label change costs.
type structRules struct {
	fields []fieldRules // of the fields that have rules, or fields with rules below them
	// open: they are not all read yet, because the type is below itself.
	open bool
}

// fieldRules is what there is to check of a field.
type fieldRules struct {
	field   *shape.Field
	index   []int
	pointer bool // the field is one, or one to one
	// below are the rules of the object, or of each one of the list; nil for values, and where there are none.
	below *structRules
	kind  valueKind // of the value, or of each one of the list
	// ofText and ofValue are the check of the field's format; at most one is set.
	ofText  func(string) error
	ofValue func(any) error
}

// valueKind is what the limits of a value are about.
type valueKind int

const (
	anything valueKind = iota // no rules
	text
	signed
	unsigned
	duration
	formed // only a format
)

var (
	ruled        sync.Map // reflect.Type -> *structRules
	durationType = reflect.TypeFor[metav1.Duration]()
)

// rulesOf returns the rules of a struct type.
func rulesOf(t reflect.Type) *structRules {
	if p, ok := ruled.Load(t); ok {
		return p.(*structRules)
	}
	p, _ := ruled.LoadOrStore(t, readRules(t, map[reflect.Type]*structRules{}))
	return p.(*structRules)
}

func readRules(t reflect.Type, known map[reflect.Type]*structRules) *structRules {
	if p := known[t]; p != nil {
		return p
	}
	p := &structRules{open: true}
	known[t] = p
	fields := shape.Of(t).Fields
	for i := range fields {
		if s, needed := readField(&fields[i], known); needed {
			p.fields = append(p.fields, s)
		}
	}
	p.open = false
	return p
}

// readField reads the tags of a field; it need not be looked at if it can only be right.
func readField(f *shape.Field, known map[reflect.Type]*structRules) (s fieldRules, needed bool) {
	s = fieldRules{field: f, index: f.Index, pointer: f.Type.Kind() == reflect.Pointer, ofText: textFormats[f.Format], ofValue: formats[f.Format]}
	element := f.Target
	if f.Class == shape.List {
		element = element.Elem()
	}
	class, target := shape.ClassOf(element)
	switch {
	case class == shape.Object && shape.Own(target) && element == target:
		s.below = readRules(target, known)
		if !s.below.open && len(s.below.fields) == 0 {
			s.below = nil
		}
	default:
		s.kind = s.kindOf(element)
	}
	required := f.Required && f.Class == shape.Text
	return s, required || f.MaxItems > 0 || s.below != nil || s.kind != anything
}

// kindOf says what the rules of a field are for values of a type.
func (s *fieldRules) kindOf(t reflect.Type) valueKind {
	f := s.field
	switch {
	case t == durationType:
		return duration
	case reflect.Zero(t).CanInt() && (f.Min != nil || f.Max != nil):
		return signed
	case reflect.Zero(t).CanUint() && (f.Min != nil || f.Max != nil):
		return unsigned
	case t.Kind() == reflect.String && (len(f.Enum) > 0 || f.MaxLen > 0 || f.Format != ""):
		return text
	case s.ofText != nil || s.ofValue != nil:
		return formed
	}
	return anything
}
