// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/internal/shape"
)

// Checks are the checks that need packages above this one.
type Checks struct {
	// Selector returns what is wrong with the syntax of a selector. Nil leaves syntax unchecked.
	Selector func(text string) error
	// Stored: the object comes out of a datastore. Policies of Kubernetes are then checked by compiling them, which makes of what this version
	// does not know the strictest that it can be; refusing the whole policy would leave its pods open.
	Stored bool
}

// checker applies the rules of the struct tags.
type checker struct {
	Checks
}

// object checks every stated field of a struct that has rules, and all below it.
func (c checker) object(v reflect.Value, rules *structRules, r report) {
	r = report{path: r.place(), all: r.all} // in words once for all fields
	for i := range rules.fields {
		s := &rules.fields[i]
		value := v.Field(s.index[0])
		if len(s.index) > 1 {
			value = v.FieldByIndex(s.index)
		}
		for s.pointer && value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		c.field(value, s, report{path: r.path, field: s.field.Name, all: r.all})
	}
}

// field checks the value of one field. A pointer is nil.
func (c checker) field(v reflect.Value, s *fieldRules, r report) {
	switch {
	case s.pointer && v.Kind() == reflect.Pointer || s.field.Class == shape.Text && v.Len() == 0:
		if s.field.Required && s.field.Class == shape.Text {
			r.add("required")
		}
	case s.field.Class == shape.List:
		c.list(v, s, r)
	case s.below != nil:
		c.object(v, s.below, r)
	default:
		c.value(v, s, r)
	}
}

func (c checker) list(v reflect.Value, s *fieldRules, r report) {
	n := v.Len()
	if s.field.MaxItems > 0 && n > s.field.MaxItems {
		r.add("has %d entries; at most %d are allowed", n, s.field.MaxItems)
	}
	for i := range n {
		switch {
		case s.below != nil:
			c.object(v.Index(i), s.below, r.item(i))
		case s.kind != anything:
			c.value(v.Index(i), s, r.item(i))
		}
	}
}

// value checks one scalar against the limits of its field.
func (c checker) value(v reflect.Value, s *fieldRules, r report) {
	switch s.kind {
	case text:
		if !c.text(v.String(), s.field, r) {
			return
		}
	case duration:
		if d := v.Interface().(metav1.Duration).Duration; d < 0 {
			r.add("%s is negative; write a duration as in 30s or 1m30s", d)
		}
	case signed:
		checkRange(v.Int(), s.field, r)
	case unsigned:
		checkRange(int64(v.Uint()), s.field, r)
	}
	if err := s.format(v); err != nil {
		r.add("%v", err)
	}
}

// format checks a value by the format of its field, if that has one.
func (s *fieldRules) format(v reflect.Value) error {
	switch {
	case s.ofText != nil:
		return s.ofText(textOf(v))
	case s.ofValue != nil:
		return s.ofValue(v.Interface())
	}
	return nil
}

func checkRange(n int64, f *shape.Field, r report) {
	switch {
	case f.Min != nil && f.Max != nil && (n < *f.Min || n > *f.Max):
		r.add("%d is out of range; write %d to %d", n, *f.Min, *f.Max)
	case f.Min != nil && n < *f.Min:
		r.add("%d is too small; write %d or more", n, *f.Min)
	case f.Max != nil && n > *f.Max:
		r.add("%d is too large; write %d or less", n, *f.Max)
	}
}

// text checks a text and reports whether it is worth looking closer at it.
func (c checker) text(text string, f *shape.Field, r report) bool {
	if f.MaxLen > 0 && len(text) > f.MaxLen {
		r.add("is %d characters long; at most %d are allowed", len(text), f.MaxLen)
		return false
	}
	if len(f.Enum) > 0 && !contains(f.Enum, text, f.Format == "anyCase") {
		r.add("%q is not allowed; write %s%s", text, orList(f.Enum), suggest(text, f.Enum))
	}
	switch {
	case f.Format == "selector" && usesGlobal(text):
		r.add("global() is only allowed alone in the namespaceSelector of a rule's source or destination")
	case f.Format == "namespaceSelector" && usesGlobal(text):
		if strings.Join(strings.Fields(text), "") != "global()" {
			r.add("global() stands alone: it cannot be combined with other terms")
		}
	case f.Format == "selector" || f.Format == "namespaceSelector":
		c.selector(text, r)
	}
	return true
}

func (c checker) selector(text string, r report) {
	if c.Selector == nil {
		return
	}
	if err := c.Selector(text); err != nil {
		r.add("%v", err)
	}
}

// quoted matches the string literals of a selector.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"`)

// usesGlobal reports whether a selector holds the global() term, outside of string literals.
func usesGlobal(text string) bool {
	return strings.Contains(quoted.ReplaceAllString(text, "''"), "global(")
}

func contains(list []string, text string, anyCase bool) bool {
	for _, one := range list {
		if one == text || anyCase && strings.EqualFold(one, text) {
			return true
		}
	}
	return false
}

// orList joins choices for people: "A", "A or B", "A, B or C".
func orList(choices []string) string {
	last := len(choices) - 1
	if last < 1 {
		return strings.Join(choices, "")
	}
	return fmt.Sprintf("%s or %s", strings.Join(choices[:last], ", "), choices[last])
}
