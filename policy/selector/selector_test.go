// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"errors"
	"strings"
	"testing"
)

func TestCanonicalText(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     `all()`,
		" \t ":                                 `all()`,
		"all( )":                               `all()`,
		"((all()))":                            `all()`,
		"global()":                             `global()`,
		"(global())":                           `global()`,
		"has( a )":                             `has(a)`,
		"a=='b'":                               `a == "b"`,
		`a == 'say "b"'`:                       `a == 'say "b"'`,
		`a == "it's"`:                          `a == "it's"`,
		"a!=\"\"":                              `a != ""`,
		"a in{'z','b','z',}":                   `a in {"b", "z"}`,
		"a in {}":                              `a in {}`,
		"a not   in { \t'x' }":                 `a not in {"x"}`,
		"a notin {'x'}":                        `a not in {"x"}`,
		"a contains'x'":                        `a contains "x"`,
		"a starts with 'x'":                    `a starts with "x"`,
		"a startswith 'x'":                     `a starts with "x"`,
		"a ends\twith 'x'":                     `a ends with "x"`,
		"!!has(a)":                             `has(a)`,
		"! ! !a=='b'":                          `!(a == "b")`,
		"!(!(has(a)))":                         `has(a)`,
		"!all()":                               `!all()`,
		"has(a)&&(has(b)&&has(c))":             `has(a) && has(b) && has(c)`,
		"has(a)||(has(b)||has(c))":             `has(a) || has(b) || has(c)`,
		"has(a)||has(b)&&has(c)":               `has(a) || (has(b) && has(c))`,
		"(has(a)||has(b))&&has(c)":             `(has(a) || has(b)) && has(c)`,
		"has(a) && all() && has(a)":            `has(a)`,
		"has(a) || all()":                      `all()`,
		"!(has(a) && has(b))":                  `!(has(a) && has(b))`,
		"in in {'in'}":                         `in in {"in"}`,
		"has == 'x' && all != 'y'":             `has == "x" && all != "y"`,
		"not not in {'not'}":                   `not not in {"not"}`,
		"projectcalico.org/namespace == 'a-b'": `projectcalico.org/namespace == "a-b"`,
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if s.String() != want {
			t.Errorf("Parse(%q).String() = %s, want %s", text, s, want)
		}
		if again, err := Parse(want); err != nil || again.String() != want || again.ID() != s.ID() {
			t.Errorf("canonical text %s does not parse to itself: %v, %v", want, again, err)
		}
	}
}

func TestMatches(t *testing.T) {
	labels := Map{"app": "backend", "tier": "", "zone": "eu-west"}
	for text, want := range map[string]bool{
		"":                               true,
		"app == 'backend'":               true,
		"app == 'Backend'":               false,
		"none == ''":                     false,
		"tier == ''":                     true,
		"app != 'backend'":               false,
		"app != 'x'":                     true,
		"none != 'x'":                    true,
		"app in {'x', 'backend'}":        true,
		"app in {'x'}":                   false,
		"none in {'x'}":                  false,
		"app in {}":                      false,
		"app not in {'x', 'backend'}":    false,
		"app not in {'x'}":               true,
		"none not in {'x'}":              true,
		"app not in {}":                  true,
		"zone contains '-w'":             true,
		"zone contains 'x'":              false,
		"none contains ''":               false,
		"zone starts with 'eu'":          true,
		"zone starts with 'west'":        false,
		"none starts with ''":            false,
		"zone ends with 'west'":          true,
		"zone ends with 'eu'":            false,
		"none ends with ''":              false,
		"has(tier)":                      true,
		"has(none)":                      false,
		"!has(none)":                     true,
		"!app == 'backend'":              false,
		"has(none) || has(app)":          true,
		"has(none) && has(app)":          false,
		"has(app) || has(x) && has(y)":   true,
		"(has(app) || has(x)) && has(y)": false,
		"global()":                       true,
		"!(has(x) || app == 'backend')":  false,
		"app == 'a' || app == 'backend' && !has(x)": true,
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := s.Matches(labels); got != want {
			t.Errorf("%q matches %v: %v, want %v", text, labels, got, want)
		}
	}
	if global, _ := Parse("global()"); global.Matches(Map{NamespaceLabel: "a"}) {
		t.Error("global() matches a namespaced item")
	}
}

func TestSyntaxErrors(t *testing.T) {
	long := strings.Repeat("x", 513)
	for _, c := range []struct {
		text     string
		offset   int
		found    string
		expected string // part of it
		hint     string // part of it
	}{
		{"a = 'b'", 2, `"="`, "==", `did you mean "=="?`},
		{"a is 'b'", 2, `"is"`, "==", `did you mean "=="?`},
		{"a startswth 'b'", 2, `"startswth"`, "starts with", `did you mean "starts with"?`},
		{"a start with 'b'", 2, `"start"`, "starts with", `did you mean "starts with"?`},
		{"a contain 'b'", 2, `"contain"`, "contains", `did you mean "contains"?`},
		{"a ni {'b'}", 2, `"ni"`, "in", ""},
		{"a nott in {'b'}", 2, `"nott"`, "not in", `did you mean "not in"?`},
		{"a IN {'b'}", 2, `"IN"`, "in", `did you mean "in"?`},
		{"a == b", 5, `"b"`, "quoted string", "quote the value: 'b'"},
		{"a == 'b", 5, "a string without its closing quote", "quoted string", ""},
		{"a == ", 5, "the end", "quoted string", ""},
		{"a", 1, "the end", "==", ""},
		{"a && b == 'c'", 2, `"&&"`, "==", "has(a)"},
		{"a == 'b' and c == 'd'", 9, `"and"`, "&&", `did you mean "&&"?`},
		{"a == 'b' OR c == 'd'", 9, `"OR"`, "||", `did you mean "||"?`},
		{"a == 'b', c == 'd'", 8, `","`, "&&", `did you mean "&&"?`},
		{"a == 'b' & c == 'd'", 9, `"&"`, "&&", `did you mean "&&"?`},
		{"a == 'b')", 8, `")"`, "&&", "closes nothing"},
		{"(a == 'b'", 9, "the end", `")"`, ""},
		{"a == 'b' &&", 11, "the end", "label", ""},
		{"not a == 'b'", 4, `"a"`, "==", `did you mean "!"?`},
		{"a in ['b']", 5, `"["`, `"{"`, "braces"},
		{"a in b", 5, `"b"`, `"{"`, ""},
		{"a xyzzy 'b'", 2, `"xyzzy"`, "==", ""},
		{"a in {'b' 'c'}", 10, `"'"`, `","`, ""},
		{"a in {,}", 6, `","`, "quoted string", ""},
		{"a in {'b'", 9, "the end", `","`, ""},
		{"has()", 4, `")"`, "label name", "empty"},
		{"has(a", 5, "the end", `")"`, ""},
		{"has (a)", 4, `"("`, "==", "has(label)"},
		{"all", 3, "the end", "==", ""},
		{"'a' == 'b'", 0, `"'"`, "label", "without quotes"},
		{"a == 'b'\n", 8, `"\n"`, "&&", "line breaks"},
		{"()", 1, `")"`, "label", "empty"},
		{"é == 'b'", 0, `"é"`, "label", ""},
		{long + " == 'b'", 0, "a label name of 513 characters", "at most 512", ""},
		{"has(a) && global()", 10, "global() beside other terms", "global() alone", ""},
		{"global() && all()", 0, "global() beside other terms", "global() alone", ""},
		{"!global()", 1, "global() beside other terms", "global() alone", ""},
		{strings.Repeat("(", 1001) + "all()", 1001, "parentheses nested too deeply", "at most 1000", ""},
	} {
		_, err := Parse(c.text)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q) = %v, want a *SyntaxError", c.text, err)
			continue
		}
		if e.Offset != c.offset || e.Found != c.found || !strings.Contains(e.Expected, c.expected) ||
			!strings.Contains(e.Hint, c.hint) || (c.hint == "" && e.Hint != "") {
			t.Errorf("Parse(%q): %+v", c.text, e)
		}
	}
}

func TestSyntaxErrorText(t *testing.T) {
	err := ValidateSyntax("ä == 'x' && a = 'b'")
	want := `selector "ä == 'x' && a = 'b'", column 1: found "ä", expected a label, has(…), all(), "!" or "("`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	err = ValidateSyntax("a == 'ä' && b = 'c'")
	want = `selector "a == 'ä' && b = 'c'", column 15: found "=", expected ` +
		`==, !=, in, not in, contains, starts with or ends with; did you mean "=="?`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "in", 2}, {"in", "", 2}, {"in", "in", 0}, {"ni", "in", 2}, {"xin", "in", 1}, {"xyin", "in", 2}, {"kitten", "sitting", 3}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
