// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
)

// tunnelGuard keeps the set of the hosts whose tunnelled packets this node takes: all nodes, and those that externalNodesList adds. It is
// there while this node needs a tunnel.
type tunnelGuard struct {
	nodes    tunnelNodes
	sets     *ipSets
	set      *ipSet         // nil: not needed
	external []netip.Prefix // in the set
}

func newTunnelGuard(sets *ipSets, nodes tunnelNodes) *tunnelGuard {
	return &tunnelGuard{nodes: nodes, sets: sets}
}

// setHost replaces a node by another version of itself; nil is none.
func (g *tunnelGuard) setHost(old, now *tunnelNode) {
	if g.set == nil {
		return
	}
	for m := range now.members() {
		g.sets.add(g.set, m)
	}
	for m := range old.members() {
		g.sets.drop(g.set, m)
	}
}

// flush makes or ends the set, and tells the settings what to do with tunnelled packets.
func (g *tunnelGuard) flush(needs [desired.TunnelKinds]bool, config tunnelConfig, settings *settings) {
	rules := desired.TunnelRules{VXLANPort: config.port, AllowVXLAN: config.allowVXLAN, AllowIPIP: config.allowIPIP}
	if needs[desired.VXLAN4] || needs[desired.VXLAN6] {
		rules.VXLANPeers = desired.TunnelPeers
	}
	if needs[desired.IPIP] {
		rules.IPIPPeers = desired.TunnelPeers
	}
	for f := range rules.WireGuardPorts {
		if needs[desired.EncryptingKind(f)] {
			rules.WireGuardPeers, rules.WireGuardPorts[f] = desired.TunnelPeers, config.wgPort[f]
		}
	}
	settings.setTunnels(rules)
	switch needed := slices.Contains(needs[:], true); {
	case needed && g.set == nil:
		g.set = g.sets.keep(desired.TunnelPeers)
		for m := range g.nodes.members() {
			g.sets.add(g.set, m)
		}
	case !needed && g.set != nil:
		g.sets.release(desired.TunnelPeers)
		g.set, g.external = nil, nil
	}
	if g.set != nil && !slices.Equal(g.external, config.external) {
		for _, p := range config.external {
			g.sets.add(g.set, desired.Member{Prefix: p})
		}
		for _, p := range g.external {
			g.sets.drop(g.set, desired.Member{Prefix: p})
		}
		g.external = config.external
	}
}
