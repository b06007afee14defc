// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/weftnet/weft/api/internal/tree"
)

// Decode reads one object that a user wrote, as JSON, strictly: unknown fields, duplicate keys and values of the wrong type are
// errors, all of them reported together as [FieldErrors].
func Decode(data []byte) (Object, error) {
	roots, err := tree.JSON(data, 1)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if len(roots) != 1 {
		return nil, fmt.Errorf("decode: %d JSON values where one object is expected", len(roots))
	}
	read := fromTree(roots[0], header{})
	if err := read.problems.Err(); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return read.object, nil
}

// header is what an item of a list takes from the list.
type header struct{ apiVersion, kind string }

// reading is what came of a tree.
type reading struct {
	object   Object // what could be read, all of it if there are no problems; nil if not even the kind
	problems FieldErrors
	misread  []string // paths of what was left out
}

// fromTree makes an object of a tree, as far as nothing is wrong with it.
func fromTree(root *tree.Node, inherit header) reading {
	k, problem := kindOfTree(root, inherit)
	if problem != nil {
		return reading{problems: FieldErrors{*problem}}
	}
	d := &decoder{}
	d.object(root, k.goType, "")
	obj := k.New()
	if err := kjson.UnmarshalCaseSensitivePreserveInts(d.out, obj); err != nil {
		if len(d.found) == 0 { // the walk has checked all that can fail
			d.found = FieldErrors{{Reason: err.Error(), Line: root.Line}}
		}
		return reading{problems: d.found}
	}
	obj.GetObjectKind().SetGroupVersionKind(k.groupVersionKind())
	return reading{obj, d.found, d.misread}
}

func kindOfTree(root *tree.Node, inherit header) (*Kind, *FieldError) {
	if root.Kind != tree.Map {
		return nil, &FieldError{Line: root.Line, Reason: fmt.Sprintf("%s where an object with apiVersion and kind is expected", root.Kind)}
	}
	h, problem := headerOf(root)
	if problem != nil {
		return nil, problem
	}
	if h == (header{}) {
		h = inherit
	}
	k, err := kindFor(h.apiVersion, h.kind)
	if err != nil {
		path, reason, _ := strings.Cut(err.Error(), ": ")
		return nil, &FieldError{Path: path, Line: root.LineOf(path), Reason: reason}
	}
	return k, nil
}

func headerOf(root *tree.Node) (h header, problem *FieldError) {
	for _, f := range []struct {
		key  string
		into *string
	}{{"apiVersion", &h.apiVersion}, {"kind", &h.kind}} {
		n := root.Get(f.key)
		if n == nil {
			continue
		}
		if n.Kind != tree.Text && n.Kind != tree.Null {
			return h, &FieldError{Path: f.key, Line: n.Line, Reason: n.Kind.String() + " where text is expected"}
		}
		*f.into = n.Scalar
	}
	return h, nil
}
