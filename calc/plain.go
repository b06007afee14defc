// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weftnet/weft/desired"
)

// Plain lists the other nodes that packets are sent to in the clear although they are to be encrypted, with the reason.
func (g *Graph) Plain() []string {
	out := []string{}
	r := g.reach
	needs := r.needs()
	for _, name := range slices.Sorted(maps.Keys(r.nodes)) {
		for f := range 2 {
			k := desired.EncryptingKind(f)
			if why := r.plain(name, k); why != "" && needs[k] && name != r.self && r.nodes[name].subnet[f].IsValid() {
				out = append(out, fmt.Sprintf("%s (IPv%d): %s", name, 4+2*f, why))
			}
		}
	}
	return out
}

// plain says why what is sent to a node is not encrypted; empty: it is.
func (r *reach) plain(name string, k desired.TunnelKind) string {
	id := desired.TunnelPeerID{Tunnel: r.config.names[k], Node: name}
	_, device := r.tunnels.get(id.Tunnel)
	switch {
	case r.encrypts(id):
		return ""
	case !device:
		return "this node has no address for its WireGuard device yet"
	case r.nodes[name].key[k] == desired.Key{}:
		return "it has published no key"
	case !r.reachable(name, k):
		return "it has no address for its WireGuard device, or shares address or key with another node"
	}
	return "it has not answered yet"
}
