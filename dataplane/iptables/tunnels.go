// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// vxlan and ipip test for packets that carry others.
func (b *builder) vxlan() branch {
	port := []rule.PortRange{{Min: b.settings.Tunnels.VXLANPort, Max: b.settings.Tunnels.VXLANPort}}
	return branch{protocol(false, protoUDP), (&end{port: "dport"}).portTest(false, port, protoUDP)}
}

// wireguard tests for packets of WireGuard, where this node encrypts.
func (b *builder) wireguard() (test branch, encrypts bool) {
	t := b.settings.Tunnels
	number := t.WireGuardPorts[0]
	if b.fam.v6 {
		number = t.WireGuardPorts[1]
	}
	port := []rule.PortRange{{Min: number, Max: number}}
	return branch{protocol(false, protoUDP), (&end{port: "dport"}).portTest(false, port, protoUDP)}, t.WireGuardPeers != "" && number != 0
}

func ipip() branch { return branch{protocol(false, protoIPIP)} }

// tunnelKinds tests for this node's kinds of tunnel.
func (b *builder) tunnelKinds() []branch {
	var out []branch
	if b.settings.Tunnels.VXLANPeers != "" {
		out = append(out, b.vxlan())
	}
	if b.settings.Tunnels.IPIPPeers != "" && !b.fam.v6 {
		out = append(out, ipip())
	}
	return out
}

// peer tests that a side of a packet, src or dst, is a known host.
func (b *builder) peer(side string) criterion { return b.member(desired.TunnelPeers, side) }

// peersThere reports whether the set of known hosts is in the kernel; else none is known.
func (b *builder) peersThere() bool { return b.there(desired.TunnelPeers) }

// fromPeers lets tunnelled packets of known hosts in, and no others.
func (b *builder) fromPeers() []string {
	var rules []string
	for _, kind := range b.tunnelKinds() {
		if b.peersThere() {
			rules = append(rules, kind.and(b.peer("src")).rule("", accept))
		}
		rules = append(rules, kind.rule("tunnelled packet of an unknown host", drop))
	}
	return append(rules, b.encrypted("src")...)
}

// sizeReports lets the node know which tunnelled packets are too big for their path. As connection tracking leaves those alone, it takes what is said of
// them for invalid.
func (b *builder) sizeReports() []string {
	switch {
	case len(b.tunnelKinds()) == 0 || b.hosts.none():
		return nil
	case b.fam.v6:
		return []string{notIn(workloads).and(protocol(false, protoICMPv6), icmpType(b.fam, 2)).rule("", accept)}
	}
	return []string{notIn(workloads).and(protocol(false, protoICMP), module("-m icmp --icmp-type 3/4")).rule("", accept)}
}

// toPeers lets the node send tunnelled packets to known hosts.
func (b *builder) toPeers() []string {
	var rules []string
	for _, kind := range b.tunnelKinds() {
		if b.peersThere() {
			rules = append(rules, kind.and(b.peer("dst")).rule("", accept))
		}
	}
	return append(rules, b.encrypted("dst")...)
}

// encrypted lets WireGuard packets pass from or to known hosts.
func (b *builder) encrypted(side string) []string {
	if test, encrypts := b.wireguard(); encrypts && b.peersThere() {
		return []string{test.and(b.peer(side)).rule("", accept)}
	}
	return nil
}

// untrackedTunnels leaves tunnelled packets between known hosts out of connection tracking: what they carry is tracked where it comes out, and tracking
// them as well would double its cost.
func (b *builder) untrackedTunnels(side string, when ...criterion) []string {
	var rules []string
	for _, kind := range b.tunnelKinds() {
		if b.peersThere() {
			rules = append(rules, kind.and(when...).and(b.peer(side)).rule("", notrack))
		}
	}
	return rules
}

// clamp lowers the segment size that new TCP connections ask for to what their routes have room for.
func (b *builder) clamp() {
	if b.settings.ClampMSS {
		opening := branch{protocol(false, protoTCP), module("-m tcp --tcp-flags SYN,RST SYN")}
		b.hook("FORWARD", []string{opening.rule(clampComment, "-j TCPMSS --clamp-mss-to-pmtu")})
	}
}

// noTunnels drops tunnelled packets of workloads.
func (b *builder) noTunnels() []string {
	var rules []string
	if t := b.settings.Tunnels; t.VXLANPort != 0 && !t.AllowVXLAN {
		rules = append(rules, b.vxlan().rule("workloads may not send VXLAN", drop))
	}
	if !b.settings.Tunnels.AllowIPIP && !b.fam.v6 {
		rules = append(rules, ipip().rule("workloads may not send IP-in-IP", drop))
	}
	return rules
}
