// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"reflect"
	"testing"
)

func must(t *testing.T, text string) *Selector {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConstructors(t *testing.T) {
	for _, c := range []struct {
		got  *Selector
		want string
	}{
		{All(), `all()`},
		{Has("a"), `has(a)`},
		{Equal("a", "b"), `a == "b"`},
		{In("a", "c", "b", "c"), `a in {"b", "c"}`},
		{In("a"), `a in {}`},
		{NotIn("a", "b"), `a not in {"b"}`},
		{Not(Has("a")), `!has(a)`},
		{Not(Not(Has("a"))), `has(a)`},
		{And(All(), All()), `all()`},
		{And(All(), Has("a")), `has(a)`},
		{And(Has("a"), All()), `has(a)`},
		{And(Has("a"), Has("a")), `has(a)`},
		{And(must(t, "has(a) || has(b)"), must(t, "has(c) && has(d)")), `(has(a) || has(b)) && has(c) && has(d)`},
		{And(must(t, "global()"), Has("a")), `!has(projectcalico.org/namespace) && has(a)`},
		{And(must(t, "global()"), All()), `!has(projectcalico.org/namespace)`},
		{And(All(), must(t, "global()")), `!has(projectcalico.org/namespace)`},
		{must(t, "!(has(a) || b in {'c'}) && d == 'e'").WithPrefix("p."), `!(has(p.a) || p.b in {"c"}) && p.d == "e"`},
		{must(t, "all()").WithPrefix("p."), `all()`},
	} {
		if c.got.String() != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
		if again := must(t, c.want); again.ID() != c.got.ID() {
			t.Errorf("%s: ID %s, parsed %s", c.want, c.got.ID(), again.ID())
		}
	}
}

func TestID(t *testing.T) {
	a, b := must(t, "a=='b'&&has( c )"), must(t, `(a == "b") && has(c)`)
	if a.ID() != b.ID() {
		t.Errorf("equal selectors have IDs %s and %s", a.ID(), b.ID())
	}
	if got := must(t, "all()").ID(); got != "4mk32j2lvph4b5ea" {
		t.Errorf("the ID of all() is %s: IDs are names in kernels and must not change between releases", got)
	}
}

func TestIsAllHasGlobal(t *testing.T) {
	for text, want := range map[string][2]bool{
		"": {true, false}, "has(a) || all()": {true, false}, "global()": {false, true}, "has(a)": {}, "!all()": {},
	} {
		s := must(t, text)
		if got := [2]bool{s.IsAll(), s.HasGlobal()}; got != want {
			t.Errorf("%q: IsAll, HasGlobal = %v, want %v", text, got, want)
		}
	}
}

func TestRestrictions(t *testing.T) {
	present := Restriction{}
	values := func(v ...string) Restriction { return Restriction{Values: append([]string{}, v...)} }
	for text, want := range map[string]Restrictions{
		"all()":                            {},
		"global()":                         {},
		"a == 'x'":                         {"a": values("x")},
		"a in {'y','x'}":                   {"a": values("x", "y")},
		"a in {}":                          {"a": values()},
		"a != 'x'":                         {},
		"a not in {'x'}":                   {},
		"has(a)":                           {"a": present},
		"a contains 'x'":                   {"a": present},
		"a starts with 'x'":                {"a": present},
		"a ends with 'x'":                  {"a": present},
		"!has(a)":                          {},
		"!(a contains 'x')":                {},
		"!(a == 'x')":                      {},
		"!(a != 'x')":                      {"a": values("x")},
		"!(a not in {'x'})":                {"a": values("x")},
		"a == 'x' && has(b) && c != 'y'":   {"a": values("x"), "b": present},
		"a in {'x','y'} && a in {'y','z'}": {"a": values("y")},
		"has(a) && a == 'x'":               {"a": values("x")},
		"a == 'x' && a == 'y'":             {"a": values()},
		"a == 'x' || a == 'y'":             {"a": values("x", "y")},
		"a == 'x' || has(a)":               {"a": present},
		"a == 'x' || b == 'y'":             {},
		"a in {} || a in {'x'}":            {"a": values("x")},
		"a == 'x' && b == 'y' || a == 'z'": {"a": values("x", "z")},
		"!(a != 'x' || b != 'y')":          {"a": values("x"), "b": values("y")},
		"!(a != 'x' && a != 'y')":          {"a": values("x", "y")},
		"(has(a) || has(b)) && c == 'z'":   {"c": values("z")},
		"!(has(a) && has(b))":              {},
		"has(a) && has(b) || !has(c)":      {},
	} {
		got := must(t, text).Restrictions()
		if len(got) == 0 && len(want) == 0 {
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: restrictions %v, want %v", text, got, want)
		}
	}
}

func TestLabelNames(t *testing.T) {
	for text, want := range map[string][]string{
		"all()":    {},
		"global()": {NamespaceLabel},
		"b == 'x' && (has(a) || !c in {}) && b contains 'y'": {"a", "b", "c"},
	} {
		if got := must(t, text).LabelNames(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: label names %v, want %v", text, got, want)
		}
	}
}
