// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Outgoing returns the address of the source's node that its packets leave the node with, because they leave the IP pools (natOutgoing); zero: they keep
// their own. Policy at the source's node sees theirs, policy at the destination's the new one.
func (c *Cluster) Outgoing(src, dst *End, p eval.Packet) netip.Addr {
	if t := c.Translation(dst, p); t != nil {
		dst = t.End
	}
	return c.outgoing(src, dst, p)
}

// outgoing is Outgoing with the end that packets get to.
func (c *Cluster) outgoing(src, dst *End, p eval.Packet) netip.Addr {
	if src.Node == "" || src.Node == dst.Node {
		return netip.Addr{}
	}
	view, link := c.View(src.Node), c.away(src, p.Src, p.Dst)
	nat := view.Settings().SourceNAT
	if nat.Sources == "" || !listed(view, nat.Sources, p.Src) || listed(view, nat.Inside, p.Dst) || !leavesBy(nat.Interface, link) {
		return netip.Addr{}
	}
	untracked := func(at eval.Place) bool { return at.Host && at.Traffic == eval.Untracked && at.Verdict == rule.Allow }
	if slices.ContainsFunc(c.pass(src.Node, c.link(src), link, p, nil), untracked) {
		return netip.Addr{}
	}
	if nat.Address.IsValid() && p.Dst.Is4() {
		return nat.Address
	}
	return c.addressOf(src.Node, link, p.Dst)
}

// addressOf returns the address that a node has on a link, of a family; zero if none is known.
func (c *Cluster) addressOf(node, link string, family netip.Addr) netip.Addr {
	var addrs []netip.Addr
	for t := range c.View(node).Tunnels() {
		if t.Name == link {
			addrs = append(addrs, t.Addr)
		}
	}
	for _, l := range c.links(node) {
		if l.Name == link {
			addrs = append(addrs, l.Addrs...)
		}
	}
	for _, a := range append(addrs, c.addrsOf(node, family)...) {
		if a.Is4() == family.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// listed tells whether an IP set has a prefix with an address.
func listed(view desired.View, id rule.SetID, addr netip.Addr) bool {
	set, ok := view.IPSet(id)
	if !ok {
		return false
	}
	for m := range set.Members {
		if m.Prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// leavesBy tells whether a link is meant by desired.SourceNAT.Interface. One of which nothing is known is taken to be.
func leavesBy(pattern, link string) bool {
	prefix, open := strings.CutSuffix(pattern, "+")
	return pattern == "" || link == unnamed || pattern == link || open && strings.HasPrefix(link, prefix)
}
