// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"net/netip"
	"slices"
)

// Addrs returns all addresses that the node states, those of its tunnels included, each once. What is no address is left out.
func (n *Node) Addrs() []netip.Addr {
	texts := append(make([]string, 0, 10), n.Spec.IPv4VXLANTunnelAddr, n.Spec.IPv6VXLANTunnelAddr)
	if bgp := n.Spec.BGP; bgp != nil {
		texts = append(texts, bgp.IPv4Address, bgp.IPv6Address, bgp.IPv4IPIPTunnelAddr)
	}
	if w := n.Spec.Wireguard; w != nil {
		texts = append(texts, w.InterfaceIPv4Address, w.InterfaceIPv6Address)
	}
	for _, a := range n.Spec.Addresses {
		texts = append(texts, a.Address)
	}
	out := make([]netip.Addr, 0, 4)
	for _, text := range texts {
		if text == "" { // most of them
			continue
		}
		if p, err := ParseInterfaceCIDR(text); err == nil && !slices.Contains(out, p.Addr()) {
			out = append(out, p.Addr())
		}
	}
	return out
}
