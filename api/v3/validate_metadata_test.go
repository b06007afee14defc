// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"slices"
	"strings"
	"testing"
)

func TestValidateMetadata(t *testing.T) {
	long := strings.Repeat("a", 253)
	for _, c := range []struct {
		what string
		meta ObjectMeta
		want []string // paths
	}{
		{"longest name", ObjectMeta{Name: long}, nil},
		{"name too long", ObjectMeta{Name: long + "a"}, []string{"metadata.name"}},
		{"no name", ObjectMeta{}, []string{"metadata.name"}},
		{"dots and dashes", ObjectMeta{Name: "a-b.c1"}, nil},
		{"dot at the end", ObjectMeta{Name: "a."}, []string{"metadata.name"}},
		{"upper case", ObjectMeta{Name: "A"}, []string{"metadata.name"}},
		{"labels", ObjectMeta{Name: "a", Labels: map[string]string{"a": "", "x.y/Z_1": "A.b-c_d", "pcns." + strings.Repeat("a", 58): "v"}}, nil},
		{"label too long", ObjectMeta{Name: "a", Labels: map[string]string{strings.Repeat("a", 64): "v"}}, []string{"metadata.labels"}},
		{"label domain too long", ObjectMeta{Name: "a", Labels: map[string]string{long + "a/b": "v"}}, []string{"metadata.labels"}},
		{"label without name", ObjectMeta{Name: "a", Labels: map[string]string{"x/": "v", "/x": "v", "a/b/c": "v"}},
			[]string{"metadata.labels", "metadata.labels", "metadata.labels"}},
		{"label value too long", ObjectMeta{Name: "a", Labels: map[string]string{"k": strings.Repeat("v", 64)}}, []string{"metadata.labels.k"}},
		{"annotations in any case", ObjectMeta{Name: "a", Annotations: map[string]string{"Example.COM/Key": "any text: ✓"}}, nil},
		{"bad annotation", ObjectMeta{Name: "a", Annotations: map[string]string{"a b": ""}}, []string{"metadata.annotations"}},
		{"most annotations", ObjectMeta{Name: "a", Annotations: map[string]string{"k": strings.Repeat("v", maxAnnotations-1)}}, nil},
		{"too many annotations", ObjectMeta{Name: "a", Annotations: map[string]string{"k": strings.Repeat("v", maxAnnotations)}}, []string{"metadata.annotations"}},
	} {
		var found FieldErrors
		ValidateMetadata(&c.meta, &found)
		var got []string
		for _, e := range found {
			got = append(got, e.Path)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want errors at %v", c.what, found, c.want)
		}
	}
}

func TestPolicyNames(t *testing.T) {
	for name, good := range map[string]bool{
		"web": true, "platform.web": true, "a.b.c": false, "knp.default.a.b.c": true, "ossg.default.x.y": true, "knp.other.a": false, "-a": false,
	} {
		for _, obj := range []interface{ SetName(string) }{&NetworkPolicy{}, &GlobalNetworkPolicy{}} {
			obj.SetName(name)
			var wrong FieldErrors
			switch o := obj.(type) {
			case *NetworkPolicy:
				wrong = Validate(o, Checks{})
			case *GlobalNetworkPolicy:
				wrong = Validate(o, Checks{})
			}
			if (wrong == nil) != good {
				t.Errorf("%T %q: %v", obj, name, wrong)
			}
		}
	}
}
