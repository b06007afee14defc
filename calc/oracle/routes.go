// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"net/netip"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// routes returns the routes of a node that do not come from BGP.
func (c *Cluster) routes(node string) []desired.Route {
	var out []desired.Route
	for addr, w := range c.reachable(node) {
		out = append(out, desired.Route{Dst: netip.PrefixFrom(addr, addr.BitLen()), Kind: desired.RouteLocal, Interface: w.object.Spec.InterfaceName})
	}
	blocks := c.blocks(node)
	for i, block := range blocks {
		if !block.IsSingleIP() && !slices.Contains(blocks[:i], block) {
			out = append(out, desired.Route{Dst: block, Kind: desired.RouteBlackhole})
		}
	}
	return out
}

// owners returns who has each address of the workloads in force on a node.
func (c *Cluster) owners(node string) map[netip.Addr]*workload {
	out := map[netip.Addr]*workload{}
	for _, w := range c.local(node) {
		for _, n := range w.nets {
			if have := out[n.Addr()]; have == nil || precedes(w, have) {
				out[n.Addr()] = w
			}
		}
	}
	return out
}

// reachable returns who has each address, and besides those the floating ones.
func (c *Cluster) reachable(node string) map[netip.Addr]*workload {
	out := c.floatingOwners(node)
	maps.Copy(out, c.owners(node))
	return out
}

// blocks returns the confirmed blocks of a node.
func (c *Cluster) blocks(node string) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range c.affinities {
		cidr, err := v3.ParseCIDR(a.Spec.CIDR)
		if err == nil && a.Spec.Node == node && a.Spec.State == "confirmed" && a.Spec.Type != "virtual" && !a.Spec.Deleted {
			out = append(out, cidr)
		}
	}
	return out
}

// advertised returns the blocks of a node and its workloads' addresses outside them, without what is in pools that BGP may not tell of.
func (c *Cluster) advertised(node string) []netip.Prefix {
	blocks := c.blocks(node)
	out := slices.Clone(blocks)
	for addr := range c.reachable(node) {
		if !slices.ContainsFunc(blocks, func(b netip.Prefix) bool { return b.Contains(addr) }) {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	hidden := c.poolsToExport(false)
	out = slices.DeleteFunc(out, func(dst netip.Prefix) bool {
		return slices.ContainsFunc(hidden, func(p netip.Prefix) bool { return p.Overlaps(dst) && p.Bits() <= dst.Bits() })
	})
	return inOrder(out)
}

// poolsToExport returns the pools that BGP may tell of, or those that it may not.
func (c *Cluster) poolsToExport(may bool) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range c.pools {
		cidr, err := v3.ParseCIDR(p.Spec.CIDR)
		if hidden := p.Spec.DisableBGPExport != nil && *p.Spec.DisableBGPExport; err == nil && hidden != may {
			out = append(out, cidr)
		}
	}
	return inOrder(out)
}

func inOrder(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, desired.ComparePrefixes)
	return slices.Compact(list)
}
