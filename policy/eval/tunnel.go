// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval

import (
	"net/netip"

	"github.com/weftnet/weft/policy/rule"
)

// encapsulation is what a packet carries others in.
type encapsulation uint8

const (
	plain encapsulation = iota
	vxlan
	ipip
	wireguard
)

// tunnelled tells what the packet is as desired.TunnelRules see it.
func (w *walk) tunnelled() encapsulation {
	const protoIPIP, protoUDP = 4, 17
	p, rules := w.passage.Packet, w.View.Settings().Tunnels
	port := rules.WireGuardPorts[0]
	if p.Dst.Is6() {
		port = rules.WireGuardPorts[1]
	}
	switch {
	case p.Protocol == protoUDP && rules.VXLANPort != 0 && p.DstPort == rules.VXLANPort:
		return vxlan
	case p.Protocol == protoUDP && port != 0 && p.DstPort == port:
		return wireguard
	case p.Protocol == protoIPIP && p.Dst.Is4():
		return ipip
	}
	return plain
}

// peers is the set of the hosts that may send such a packet to this node; empty where it is a packet like any other.
func (w *walk) peers() rule.SetID {
	switch rules := w.View.Settings().Tunnels; w.tunnelled() {
	case vxlan:
		return rules.VXLANPeers
	case ipip:
		return rules.IPIPPeers
	case wireguard:
		return rules.WireGuardPeers
	}
	return ""
}

// fromPeer tells whether it is decided by its sender alone if the node takes the packet, and whether it does.
func (w *walk) fromPeer() (decided, known bool) {
	known = w.known(w.passage.Packet.Src)
	return w.peers() != "" && (known || w.tunnelled() != wireguard), known
}

// sizeReport tells whether the packet says that one was too big for its path, where this node has a tunnel that connection tracking leaves alone: what is
// said of its packets belongs to no connection.
func (w *walk) sizeReport() bool {
	const protoICMP, protoICMPv6 = 1, 58
	p, rules := w.passage.Packet, w.View.Settings().Tunnels
	if p.Dst.Is6() {
		return rules.VXLANPeers != "" && p.Protocol == protoICMPv6 && p.ICMPType == 2 && p.ICMPCode == 0
	}
	return (rules.VXLANPeers != "" || rules.IPIPPeers != "") && p.Protocol == protoICMP && p.ICMPType == 3 && p.ICMPCode == 4
}

// known tells whether the other side of a tunnelled packet is a known host.
func (w *walk) known(other netip.Addr) bool {
	set, ok := w.View.IPSet(w.peers())
	if !ok {
		return false
	}
	for m := range set.Members {
		if m.Prefix.Contains(other) {
			return true
		}
	}
	return false
}
