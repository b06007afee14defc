// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// TestHopsWithin compares with a look at every next hop.
func TestHopsWithin(t *testing.T) {
	table := newHopTable()
	var all []netip.Addr
	for range 500 {
		raw := [16]byte{0: 0x20, 1: 0x01, 14: byte(rand.IntN(8)), 15: byte(rand.IntN(256))}
		addr := netip.AddrFrom16(raw)
		if rand.IntN(2) == 0 {
			addr = netip.AddrFrom4([4]byte{192, 0, raw[14], raw[15]})
		}
		table.set(addr, resolution{})
		if !slices.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	for range 500 {
		p, err := all[rand.IntN(len(all))].Prefix(rand.IntN(33))
		if err != nil {
			t.Fatal(err)
		}
		if p.Bits() == 0 && rand.IntN(2) == 0 {
			p = netip.MustParsePrefix("203.0.113.0/24")
		}
		want := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !p.Contains(a) })
		slices.SortFunc(want, netip.Addr.Compare)
		if got := table.within(p); !slices.Equal(got, want) {
			t.Fatalf("within %s: %v, want %v", p, got, want)
		}
	}
	table.clear()
	if got := table.within(netip.MustParsePrefix("::/0")); len(got) > 0 || len(table.ways) > 0 {
		t.Errorf("after clear: %v", got)
	}
}
