// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"slices"
)

// claims knows which local endpoints claim one thing, such as an address. Of several the newest has it, for where a workload was replaced
// the old endpoint may linger; and what this node knows from itself goes before what the store says.
type claims[K comparable] map[K][]*localEndpoint

// of returns who claims k, the one that has it first.
func (c claims[K]) of(k K) []*localEndpoint { return c[k] }

// move replaces the things that ep claims. Call it also after ep's precedence changed.
func (c claims[K]) move(ep *localEndpoint, from, to []K) {
	for _, k := range from {
		c[k] = slices.DeleteFunc(c[k], func(other *localEndpoint) bool { return other == ep })
		if len(c[k]) == 0 {
			delete(c, k)
		}
	}
	for _, k := range to {
		c[k] = append(c[k], ep)
		slices.SortFunc(c[k], func(a, b *localEndpoint) int {
			return cmp.Or(-compareBool(a.own, b.own), cmp.Compare(b.Revision, a.Revision), a.ID.Compare(b.ID))
		})
	}
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
