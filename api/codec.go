// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Encode returns obj as JSON, apiVersion and kind included even where the Go value leaves them out.
func Encode(obj Object) ([]byte, error) {
	k := KindOf(obj)
	if k == nil {
		return nil, fmt.Errorf("encode: Go type %T is no kind of weft's", obj)
	}
	if obj.GetObjectKind().GroupVersionKind().Kind == "" {
		shallow := reflect.New(k.goType)
		shallow.Elem().Set(reflect.ValueOf(obj).Elem())
		obj = shallow.Interface().(Object)
		obj.GetObjectKind().SetGroupVersionKind(k.groupVersionKind())
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", KeyOf(obj), err)
	}
	return data, nil
}

// DecodeLenient reads a stored object. Fields that this version does not know are dropped, so that objects written by a newer
// weft stay readable, and those of kinds that people write are named in the object, see [v3.UnknownFields]; everything else must fit. Use [Decode]
// for what users write.
func DecodeLenient(data []byte) (Object, error) {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("decode: not a JSON object: %w", err)
	}
	k, err := kindFor(head.APIVersion, head.Kind)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return k.Decode(data)
}

// Decode reads a stored object of the kind as [DecodeLenient] does, also one that does not say its kind, as the items of a list.
func (k *Kind) Decode(data []byte) (Object, error) {
	obj := k.New()
	if err := k.unmarshal(data, obj); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k.Kind, err)
	}
	obj.GetObjectKind().SetGroupVersionKind(k.groupVersionKind())
	return obj, nil
}

// kindFor finds the kind of an apiVersion and a Kind as written in a manifest, and explains what is wrong with them.
func kindFor(apiVersion, name string) (*Kind, error) {
	for _, k := range kinds {
		if k.APIVersion == apiVersion && k.Kind == name {
			return k, nil
		}
	}
	return nil, explainKind(apiVersion, name)
}
