// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"maps"
	"math/rand/v2"
	"testing"
	"unique"
)

// TestSet walks a set through its small and its large form beside a map.
func TestSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	var s set[int]
	want := map[int]bool{}
	for n := range 2000 {
		v := r.IntN(3 * smallSet)
		if r.IntN(100) < 40+20*(n/500%2) { // grows and shrinks in turn
			s.add(v)
			want[v] = true
		} else {
			s.remove(v)
			delete(want, v)
		}
		got := map[int]bool{}
		for v := range s.all() {
			got[v] = true
		}
		if !maps.Equal(got, want) || s.len() != len(want) {
			t.Fatalf("step %d: %v of length %d, want %v", n, got, s.len(), want)
		}
	}
}

// TestPostingsCount compares the counts kept with what can be listed.
func TestPostingsCount(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	var p postings[int]
	handle := func(n int) unique.Handle[string] { return unique.Make(string(rune('a' + n))) }
	for n := range 2000 {
		l, v := label{handle(r.IntN(3)), handle(r.IntN(4))}, r.IntN(5)
		if r.IntN(2) == 0 {
			p.add(l, v)
		} else {
			p.remove(l, v)
		}
		for _, c := range []condition{
			{name: l.name}, {name: l.name, values: []labelValue{handle(0), handle(2)}}, {name: l.name, values: []labelValue{}},
		} {
			listed := 0
			for range p.meeting(c) {
				listed++
			}
			if got := p.count(c); got != listed {
				t.Fatalf("step %d: count(%v) = %d, but %d are listed", n, c, got, listed)
			}
		}
	}
}
