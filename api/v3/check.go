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

// fields checks every stated field of a struct and all below it.
func (c checker) fields(v reflect.Value, r report) {
	r = report{path: r.place(), all: r.all} // in words once for all fields
	all := shape.Of(v.Type()).Fields
	for i := range all {
		f := &all[i]
		if f.Free {
			continue
		}
		value := v.FieldByIndex(f.Index)
		for value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		switch {
		case value.Kind() == reflect.Pointer || f.Class == shape.Text && value.IsZero():
			if f.Required && f.Class == shape.Text {
				r.at(f.Name).add("required")
			}
		case f.Class == shape.List:
			c.list(value, f, r.at(f.Name))
		case f.Class == shape.Object && shape.Own(f.Target):
			c.fields(value, r.at(f.Name))
		default:
			c.value(value, f, r.at(f.Name))
		}
	}
}

func (c checker) list(v reflect.Value, f *shape.Field, r report) {
	if f.MaxItems > 0 && v.Len() > f.MaxItems {
		r.add("has %d entries; at most %d are allowed", v.Len(), f.MaxItems)
	}
	ofObjects := isObject(v.Type().Elem())
	for i := range v.Len() {
		if ofObjects {
			c.fields(v.Index(i), r.item(i))
		} else {
			c.value(v.Index(i), f, r.item(i))
		}
	}
}

func isObject(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || !shape.Own(t) {
		return false
	}
	class, _ := shape.ClassOf(t)
	return class != shape.Leaf
}

// value checks one scalar against the limits of its field.
func (c checker) value(v reflect.Value, f *shape.Field, r report) {
	switch {
	case v.Type() == durationType:
		if d := v.Interface().(metav1.Duration).Duration; d < 0 {
			r.add("%s is negative; write a duration as in 30s or 1m30s", d)
		}
	case v.CanInt():
		checkRange(v.Int(), f, r)
	case v.CanUint():
		checkRange(int64(v.Uint()), f, r)
	case v.Kind() == reflect.String && !c.text(v.String(), f, r):
		return
	}
	if err := format(v, f.Format); err != nil {
		r.add("%v", err)
	}
}

func format(v reflect.Value, name string) error {
	if check := textFormats[name]; check != nil {
		return check(textOf(v))
	}
	if check := formats[name]; check != nil {
		return check(v.Interface())
	}
	return nil
}

var durationType = reflect.TypeFor[metav1.Duration]()

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
