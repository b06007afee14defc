// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"reflect"
	"sync"
	"time"
)

// Clone returns a deep copy of obj: the way to change an object that a store, a watch or a graph handed out.
func Clone[T Object](obj T) T {
	v := reflect.ValueOf(obj)
	if !v.IsValid() || v.IsNil() {
		return obj
	}
	return deepCopy(v).Interface().(T)
}

// shares remembers for each type whether a plain copy shares memory with the original.
var shares sync.Map // reflect.Type -> bool

func deepCopy(v reflect.Value) reflect.Value {
	if !sharesMemory(v.Type()) {
		return v
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(deepCopy(v.Elem()))
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if sharesMemory(v.Type().Field(i).Type) {
				out.Field(i).Set(deepCopy(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		return copySlice(v)
	case reflect.Map:
		return copyMap(v)
	default:
		return v
	}
}

func copySlice(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(out, v)
	if sharesMemory(v.Type().Elem()) {
		for i := range v.Len() {
			out.Index(i).Set(deepCopy(v.Index(i)))
		}
	}
	return out
}

func copyMap(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for it := v.MapRange(); it.Next(); {
		out.SetMapIndex(it.Key(), deepCopy(it.Value()))
	}
	return out
}

// sharesMemory reports whether values of t hold pointers, slices or maps. Times are immutable and copied as they are.
func sharesMemory(t reflect.Type) bool {
	if known, ok := shares.Load(t); ok {
		return known.(bool)
	}
	answer := false
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		answer = true
	case reflect.Struct:
		for i := range t.NumField() {
			answer = answer || t != reflect.TypeFor[time.Time]() && sharesMemory(t.Field(i).Type)
		}
	}
	shares.Store(t, answer)
	return answer
}
