// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"reflect"

	"github.com/weftnet/weft/api/internal/shape"
)

// ValidateUpdate returns the immutable fields that an update from old to updated would change. Both are of one kind; stating a default that was
// absent is no change.
func ValidateUpdate(old, updated any) FieldErrors {
	var found FieldErrors
	a, b := withDefaults(old), withDefaults(updated)
	if a.Type() == b.Type() {
		compareImmutable(a, b, report{path: "", all: &found})
	}
	return found
}

// withDefaults returns the struct behind obj with defaults. The copy is deep enough for the fields that SetDefaults writes: it
// replaces them, it does not write through them.
func withDefaults(obj any) reflect.Value {
	shallow := reflect.New(reflect.TypeOf(obj).Elem())
	shallow.Elem().Set(reflect.ValueOf(obj).Elem())
	if pool, ok := shallow.Interface().(*IPPool); ok {
		defaultBlockSize(&pool.Spec)
	}
	return shallow.Elem()
}

func compareImmutable(a, b reflect.Value, r report) {
	for _, f := range shape.Of(a.Type()).Fields {
		class, t := shape.ClassOf(f.Type)
		x, y := reflect.Indirect(a.FieldByIndex(f.Index)), reflect.Indirect(b.FieldByIndex(f.Index))
		switch {
		case f.Immutable && show(x) != show(y):
			r.at(f.Name).add("cannot be changed from %s to %s: addresses in use depend on it; create another object and move over", show(x), show(y))
		case class == shape.Object && shape.Own(t) && x.IsValid() && y.IsValid():
			compareImmutable(x, y, r.at(f.Name))
		}
	}
}

func show(v reflect.Value) string {
	if !v.IsValid() {
		return "nothing"
	}
	return fmt.Sprint(v.Interface())
}
