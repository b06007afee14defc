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
	sets     *ipSets
	set      *ipSet                 // nil: not needed
	hosts    map[desired.Member]int // how many nodes have the address
	external []netip.Prefix         // in the set
}

func newTunnelGuard(sets *ipSets) *tunnelGuard {
	return &tunnelGuard{sets: sets, hosts: map[desired.Member]int{}}
}

// setHost replaces a node by another version of itself; nil is none.
func (g *tunnelGuard) setHost(old, now *tunnelNode) {
	for _, m := range now.members() {
		g.hosts[m]++
		g.count(m, g.sets.add)
	}
	for _, m := range old.members() {
		if g.hosts[m]--; g.hosts[m] == 0 {
			delete(g.hosts, m)
		}
		g.count(m, g.sets.drop)
	}
}

// members are a node's addresses.
func (n *tunnelNode) members() (out []desired.Member) {
	if n == nil {
		return nil
	}
	for _, s := range n.subnet {
		if s.IsValid() {
			out = append(out, desired.Member{Prefix: desired.HostPrefix(s.Addr())})
		}
	}
	return out
}

func (g *tunnelGuard) count(m desired.Member, do func(*ipSet, desired.Member)) {
	if g.set != nil {
		do(g.set, m)
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
	switch needed := len(rules.Sets()) > 0; {
	case needed && g.set == nil:
		g.set = g.sets.keep(desired.TunnelPeers)
		for m, n := range g.hosts {
			for range n {
				g.sets.add(g.set, m)
			}
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
