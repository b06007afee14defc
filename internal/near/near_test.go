// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package near

import (
	"slices"
	"testing"
)

func TestBest(t *testing.T) {
	known := []string{"natOutgoing", "nodeSelector", "namespaceSelector", "cidr", "ippools"}
	for typed, want := range map[string]string{
		"natOutgoin":   "natOutgoing",
		"NATOUTGOING":  "natOutgoing",
		"nodeselector": "nodeSelector",
		"cird":         "cidr",
		"ipool":        "ippools",
		"":             "",
		"banana":       "",
	} {
		if got := Best(typed, slices.Values(known)); got != want {
			t.Errorf("Best(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("distance(%q, %q) = %d and %d back, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
