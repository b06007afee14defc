// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// slowOutermost is the definition: the prefixes that no other contains.
func slowOutermost(all map[netip.Prefix]bool) []netip.Prefix {
	var out []netip.Prefix
	for p := range all {
		inside := false
		for q := range all {
			inside = inside || q != p && q.Bits() <= p.Bits() && q.Contains(p.Addr())
		}
		if !inside {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePrefix)
	return out
}

// TestCover changes random prefixes, few and many at a time, and follows what the kernel would hold.
func TestCover(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for _, v6 := range []bool{false, true} {
		var c cover
		all, kernel := map[netip.Prefix]bool{}, map[netip.Prefix]bool{}
		for step := range 400 {
			var added, removed []netip.Prefix
			size := 1 + rnd.IntN(4)
			if step%20 == 0 {
				size = 2 * bulk
			}
			for range size {
				p := randomPrefix(rnd, v6)
				switch {
				case slices.Contains(added, p) || slices.Contains(removed, p):
				case all[p] && rnd.IntN(2) == 0:
					removed = append(removed, p)
					delete(all, p)
				case !all[p]:
					added = append(added, p)
					all[p] = true
				}
			}
			gained, lost := c.change(added, removed)
			for _, p := range lost {
				if !kernel[p] {
					t.Fatalf("loses %v, which was not outermost", p)
				}
				delete(kernel, p)
			}
			for _, p := range gained {
				if kernel[p] {
					t.Fatalf("gains %v, which was outermost", p)
				}
				kernel[p] = true
			}
			if got, want := slices.SortedFunc(maps.Keys(kernel), comparePrefix), slowOutermost(all); !slices.Equal(got, want) {
				t.Fatalf("step %d: outermost are %v; want %v", step, got, want)
			}
		}
	}
}

// randomPrefix draws from a small space, so that prefixes contain each other.
func randomPrefix(rnd *rand.Rand, v6 bool) netip.Prefix {
	a := netip.AddrFrom4([4]byte{10, byte(rnd.IntN(4)), byte(rnd.IntN(3) * 64)})
	bits := []int{0, 7, 8, 14, 15, 16, 18, 24}[rnd.IntN(8)]
	if v6 {
		a = netip.AddrFrom16([16]byte{0xfd, byte(rnd.IntN(4)), byte(rnd.IntN(3) * 64)})
		bits = []int{0, 7, 8, 12, 16, 17, 18, 64}[rnd.IntN(8)]
	}
	return netip.PrefixFrom(a, bits).Masked()
}
