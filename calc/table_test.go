// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTableDrainIsTheLeastChange(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	tab := newTable(cmp.Compare[int], func(a, b int) bool { return a == b })
	mirror := map[int]int{}
	for range 2000 {
		for range r.IntN(6) {
			if k := r.IntN(4); r.IntN(3) == 0 {
				tab.remove(k)
			} else {
				tab.put(k, 10*k+r.IntN(3))
			}
		}
		changed, removed := tab.drain()
		for _, v := range changed {
			if old, ok := mirror[v/10]; ok && old == v {
				t.Fatalf("row %d did not change and is reported", v/10)
			}
			mirror[v/10] = v
		}
		for _, k := range removed {
			if _, ok := mirror[k]; !ok {
				t.Fatalf("row %d was not there and is removed", k)
			}
			delete(mirror, k)
		}
		if !maps.Equal(mirror, tab.rows) {
			t.Fatalf("mirror %v, table %v", mirror, tab.rows)
		}
		if !slices.IsSorted(changed) || !slices.IsSorted(removed) {
			t.Fatalf("not sorted: %v %v", changed, removed)
		}
	}
}
