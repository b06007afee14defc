// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/sys/netlink"
)

// resolution is the way to one next hop: neighbours on our links, several when the underlay shares the load.
type resolution struct {
	hops []netlink.NextHop
	err  error
}

// hopTable holds the next hops in use with the ways to them, so that those within a prefix are found without a look at all others.
type hopTable struct {
	ways  map[netip.Addr]resolution
	order []netip.Addr // sorted
}

func newHopTable() hopTable { return hopTable{ways: map[netip.Addr]resolution{}} }

func (t *hopTable) set(addr netip.Addr, r resolution) {
	if _, known := t.ways[addr]; !known {
		at, _ := slices.BinarySearchFunc(t.order, addr, netip.Addr.Compare)
		t.order = slices.Insert(t.order, at, addr)
	}
	t.ways[addr] = r
}

func (t *hopTable) clear() {
	clear(t.ways)
	t.order = t.order[:0]
}

// within returns the next hops that a masked prefix contains.
func (t *hopTable) within(p netip.Prefix) []netip.Addr {
	from, _ := slices.BinarySearchFunc(t.order, p.Addr(), netip.Addr.Compare)
	to := from
	for to < len(t.order) && p.Contains(t.order[to]) {
		to++
	}
	return t.order[from:to]
}
