// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/internal/shape"
)

// TestRulesAgreeWithTags holds the rules that are read once against the tags walked by reflection at each call, for random values of every struct.
func TestRulesAgreeWithTags(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	structs(func(s reflect.Type) {
		for range 200 {
			obj := reflect.New(s).Elem()
			conceive(random, obj, 0)
			var want, got FieldErrors
			slowChecker{}.fields(obj, report{path: "", all: &want})
			checker{}.object(obj, rulesOf(s), report{path: "", all: &got})
			if !slices.Equal(got, want) {
				t.Fatalf("%s %+v:\n%v, want\n%v", s.Name(), obj.Interface(), got, want)
			}
			wrong += len(want)
		}
	})
	if wrong < 10_000 {
		t.Errorf("%d complaints prove little", wrong)
	}
}

var (
	words   = []string{"", "a", "Allow", "TCP", "10.0.0.0/8", "10.0.0.1/32", "fd00::1", "eth0", "1:2", "all()", "global()", "80", "a b", "-", "Always", "x.y-z", "auto", "30s"}
	numbers = []int64{0, 1, -1, 5, 80, 255, 65536, 1 << 40}
)

// conceive makes a value of anything, often of nothing.
func conceive(random *rand.Rand, v reflect.Value, depth int) {
	switch {
	case random.IntN(4) == 0 || depth > 5:
	case v.Type() == reflect.TypeFor[metav1.Duration]():
		v.Set(reflect.ValueOf(metav1.Duration{Duration: time.Duration(random.IntN(3)-1) * time.Second}))
	case v.Type() == reflect.TypeFor[intstr.IntOrString]():
		v.Set(reflect.ValueOf(intstr.Parse(words[random.IntN(len(words))])))
	case v.Kind() == reflect.String:
		v.SetString(words[random.IntN(len(words))])
	case v.CanInt():
		v.SetInt(numbers[random.IntN(len(numbers))])
	case v.CanUint():
		v.SetUint(uint64(numbers[random.IntN(len(numbers))]))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		conceive(random, v.Elem(), depth)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(4), 4))
		for i := range v.Len() {
			conceive(random, v.Index(i), depth+1)
		}
	case v.Kind() == reflect.Struct && shape.Own(v.Type()):
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				conceive(random, v.Field(i), depth+1)
			}
		}
	}
}

// slowChecker walks the tags at each call.
type slowChecker struct {
	Checks
}

// fields checks every stated field of a struct and all below it.
func (c slowChecker) fields(v reflect.Value, r report) {
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

func (c slowChecker) list(v reflect.Value, f *shape.Field, r report) {
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
func (c slowChecker) value(v reflect.Value, f *shape.Field, r report) {
	switch {
	case v.Type() == durationType:
		if d := v.Interface().(metav1.Duration).Duration; d < 0 {
			r.add("%s is negative; write a duration as in 30s or 1m30s", d)
		}
	case v.CanInt():
		checkRange(v.Int(), f, r)
	case v.CanUint():
		checkRange(int64(v.Uint()), f, r)
	case v.Kind() == reflect.String && !checker(c).text(v.String(), f, r):
		return
	}
	if err := formatOf(v, f.Format); err != nil {
		r.add("%v", err)
	}
}

func formatOf(v reflect.Value, name string) error {
	if check := textFormats[name]; check != nil {
		return check(textOf(v))
	}
	if check := formats[name]; check != nil {
		return check(v.Interface())
	}
	return nil
}
