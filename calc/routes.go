// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"

	"github.com/weftnet/weft/desired"
)

// routes works out the kernel routes that do not come from BGP: one to each address of a local workload, a blackhole for the rest of each
// block of this node, and behind those what reach wants to other nodes.
type routes struct {
	out    *table[netip.Prefix, desired.Route]
	blocks map[netip.Prefix]int // how many affinities name the block
	links  map[netip.Prefix]string
	remote map[netip.Prefix]desired.Route // to addresses of other nodes
}

func newRoutes() *routes {
	return &routes{
		out:    newTable(desired.ComparePrefixes, func(a, b desired.Route) bool { return a == b }),
		blocks: map[netip.Prefix]int{},
		links:  map[netip.Prefix]string{},
		remote: map[netip.Prefix]desired.Route{},
	}
}

func (r *routes) addBlock(cidr netip.Prefix) {
	r.blocks[cidr]++
	r.update(cidr)
}

func (r *routes) removeBlock(cidr netip.Prefix) {
	if r.blocks[cidr]--; r.blocks[cidr] == 0 {
		delete(r.blocks, cidr)
	}
	r.update(cidr)
}

// setLocal routes a workload's address to its interface; "" removes the route.
func (r *routes) setLocal(addr netip.Addr, link string) {
	dst := desired.HostPrefix(addr)
	if link == "" {
		delete(r.links, dst)
	} else {
		r.links[dst] = link
	}
	r.update(dst)
}

func (r *routes) setRemote(route desired.Route) {
	r.remote[route.Dst] = route
	r.update(route.Dst)
}

func (r *routes) removeRemote(dst netip.Prefix) {
	delete(r.remote, dst)
	r.update(dst)
}

func (r *routes) update(dst netip.Prefix) {
	link, local := r.links[dst]
	remote, ok := r.remote[dst]
	switch {
	case local:
		r.out.put(dst, desired.Route{Dst: dst, Kind: desired.RouteLocal, Interface: link})
	case r.blocks[dst] > 0 && !dst.IsSingleIP(): // a block of one address has no unused ones
		r.out.put(dst, desired.Route{Dst: dst, Kind: desired.RouteBlackhole})
	case ok:
		r.out.put(dst, remote)
	default:
		r.out.remove(dst)
	}
}
