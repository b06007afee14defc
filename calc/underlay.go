// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"

	"github.com/weftnet/weft/desired"
)

// Underlay is what the sizes of packets depend on besides the host's links.
type Underlay struct {
	// Pattern matches the links whose MTU counts (mtuIfacePattern); empty: those with the node's addresses.
	Pattern string
	// MTU of the tunnel devices where one is stated; 0: detected.
	MTU [desired.TunnelKinds]int
	// Used are the kinds of tunnels that the IP pools ask for.
	Used [desired.TunnelKinds]bool
	// Nodes are the addresses of all nodes by name, IPv4 first; the zero Addr is none.
	Nodes map[string][2]netip.Addr
}

func (r *reach) underlayNow() Underlay {
	c := r.configs.now
	out := Underlay{Pattern: c.pattern, MTU: c.mtu, Used: r.needs(), Nodes: make(map[string][2]netip.Addr, len(r.nodes))}
	for name, n := range r.nodes {
		out.Nodes[name] = [2]netip.Addr{n.subnet[0].Addr(), n.subnet[1].Addr()}
	}
	return out
}
