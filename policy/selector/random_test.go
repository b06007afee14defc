// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// expr is an independent model of a selector: a closure for its meaning and a text with random spacing and parentheses.
type expr struct {
	text string
	rank int // 0 primary or negation, 1 conjunction, 2 disjunction
	eval func(map[string]string) bool
}

var (
	someLabels = []string{"a", "b", "in", "not", "x.y/z-1"}
	someValues = []string{"", "v", "vw", "wv", "it's"}
)

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

func space(r *rand.Rand) string {
	return strings.Repeat(" ", r.IntN(2)) + strings.Repeat("\t", r.IntN(2))
}

func quote(v string) string {
	if strings.Contains(v, "'") {
		return `"` + v + `"`
	}
	return "'" + v + "'"
}

func randomExpr(r *rand.Rand, depth int) expr {
	if depth == 0 {
		return randomLeaf(r)
	}
	switch r.IntN(4) {
	case 0:
		e := randomExpr(r, depth-1)
		return expr{"!" + space(r) + group(r, e, 0), 0, func(m map[string]string) bool { return !e.eval(m) }}
	case 1:
		a, b := randomExpr(r, depth-1), randomExpr(r, depth-1)
		text := group(r, a, 1) + space(r) + "&&" + space(r) + group(r, b, 1)
		return expr{text, 1, func(m map[string]string) bool { return a.eval(m) && b.eval(m) }}
	case 2:
		a, b := randomExpr(r, depth-1), randomExpr(r, depth-1)
		text := group(r, a, 2) + space(r) + "||" + space(r) + group(r, b, 2)
		return expr{text, 2, func(m map[string]string) bool { return a.eval(m) || b.eval(m) }}
	}
	return randomLeaf(r)
}

// group renders e where an operand of at most the given rank may stand.
func group(r *rand.Rand, e expr, rank int) string {
	if e.rank > rank || r.IntN(4) == 0 {
		return "(" + space(r) + e.text + space(r) + ")"
	}
	return e.text
}

func randomLeaf(r *rand.Rand) expr {
	l, v := pick(r, someLabels), pick(r, someValues)
	list := make([]string, r.IntN(4))
	quoted := make([]string, len(list))
	for i := range list {
		list[i] = pick(r, someValues)
		quoted[i] = space(r) + quote(list[i])
	}
	set := "{" + strings.Join(quoted, ",") + space(r) + "}"
	one := func(op string, f func(have, want string) bool) expr {
		return expr{l + " " + op + " " + quote(v), 0, func(m map[string]string) bool {
			have, ok := m[l]
			return ok && f(have, v)
		}}
	}
	switch r.IntN(9) {
	case 0:
		return expr{"all()", 0, func(map[string]string) bool { return true }}
	case 1:
		return expr{"has(" + space(r) + l + ")", 0, func(m map[string]string) bool { _, ok := m[l]; return ok }}
	case 2:
		return one("==", func(have, want string) bool { return have == want })
	case 3:
		return one("contains", strings.Contains)
	case 4:
		return one("starts  with", strings.HasPrefix)
	case 5:
		return one("ends with", strings.HasSuffix)
	case 6:
		return expr{l + "!=" + quote(v), 0, func(m map[string]string) bool { have, ok := m[l]; return !ok || have != v }}
	case 7:
		return expr{l + " in" + set, 0, func(m map[string]string) bool { have, ok := m[l]; return ok && slices.Contains(list, have) }}
	}
	return expr{l + " not in" + set, 0, func(m map[string]string) bool { have, ok := m[l]; return !ok || !slices.Contains(list, have) }}
}

func randomLabels(r *rand.Rand) Map {
	m := Map{}
	for _, l := range someLabels {
		if r.IntN(2) == 0 {
			m[l] = pick(r, someValues)
		}
	}
	return m
}

// checkNecessary reports a label set that s selects although it fails a restriction of s.
func checkNecessary(s *Selector, m Map) error {
	if !s.Matches(m) {
		return nil
	}
	for label, r := range s.Restrictions() {
		v, ok := m[label]
		if !ok || r.Values != nil && !slices.Contains(r.Values, v) {
			return fmt.Errorf("%s selects %v but claims to require %s %v", s, m, label, r)
		}
	}
	return nil
}

func TestRandomSelectors(t *testing.T) {
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 0))
		e := randomExpr(r, r.IntN(5))
		s, err := Parse(space(r) + e.text + space(r))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("seed %d: %q: canonical %s parses to %v, %v", seed, e.text, s, again, err)
		}
		for range 20 {
			m := randomLabels(r)
			if got, want := s.Matches(m), e.eval(m); got != want {
				t.Fatalf("seed %d: %q (canonical %s) on %v: %v, want %v", seed, e.text, s, m, got, want)
			}
			if err := checkNecessary(s, m); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "all()", "global()", "a == 'b' && !has(c) || d not in {\"e\",}", "a starts with 'x'", "a = 'b'", "((", "é",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if e, ok := err.(*SyntaxError); !ok || e.Offset < 0 || e.Offset > len(text) || e.Error() == "" {
				t.Fatalf("Parse(%q): %#v", text, err)
			}
			return
		}
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() || again.ID() != s.ID() {
			t.Fatalf("Parse(%q): canonical %s parses to %v, %v", text, s, again, err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 5 {
			m := randomLabels(r)
			if s.Matches(m) != again.Matches(m) {
				t.Fatalf("%s and its reparse differ on %v", s, m)
			}
			if err := checkNecessary(s, m); err != nil {
				t.Fatal(err)
			}
		}
	})
}
