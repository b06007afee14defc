// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// chainTunnels lets tunnelled packets of known hosts in, and no others.
const chainTunnels = "tunnels"

// chainTunnelsIn leaves tunnelled packets of known hosts out of connection tracking.
const chainTunnelsIn = "tunnels-in"

// chainTunnelsOut is where those of this node's own begin; chainTunnelsTo leaves those for known hosts out of connection tracking.
const chainTunnelsOut, chainTunnelsTo = "tunnels-out", "tunnels-to"

// chainToPeers lets tunnelled packets for known hosts go, whatever host endpoint policy says.
const chainToPeers = "to-peers"

// chainClamp fits TCP connections to their path.
const chainClamp = "clamp-mss"

// clamp leads what opens a TCP connection there, from either side: the routes of the two directions may differ, and each end learns from the other's
// segment how much to send. What answers is of a known connection, so this goes before all else.
func (f frame) clamp() []ruleSpec {
	if !f.settings.ClampMSS {
		return nil
	}
	return []ruleSpec{ruleOf(is{f: l4proto, value: []byte{protoTCP}}, opening{}, jump(chainClamp))}
}

var isIPIP = is{f: l4proto, value: []byte{protoIPIP}}

func (f frame) isVXLAN() []stmt {
	return []stmt{is{f: l4proto, value: []byte{protoUDP}}, is{f: dport, value: be16(f.settings.Tunnels.VXLANPort)}}
}

// tunnelled does something with the packets of this node's kinds of tunnel, of either family.
func (f frame) tunnelled(do then) []ruleSpec {
	var rules []ruleSpec
	if f.settings.Tunnels.VXLANPeers != "" {
		rules = append(rules, ruleOf(append(f.isVXLAN(), do)...))
	}
	if f.settings.Tunnels.IPIPPeers != "" {
		rules = append(rules, ruleOf(isIPv4, isIPIP, do))
	}
	return rules
}

// sizeReports lets the node know which tunnelled packets are too big for their path. As connection tracking leaves those alone, it takes what is said of
// them for invalid.
func (f frame) sizeReports() []ruleSpec {
	var rules []ruleSpec
	if t := f.settings.Tunnels; t.VXLANPeers != "" || t.IPIPPeers != "" {
		rules = append(rules, ruleOf(notFromWorkload, is{f: l4proto, value: []byte{protoICMP}}, is{f: icmpTC, value: []byte{3, 4}}, accept))
	}
	if f.settings.Tunnels.VXLANPeers != "" {
		rules = append(rules, ruleOf(notFromWorkload, is{f: l4proto, value: []byte{protoICMPv6}}, is{f: icmpTC, value: []byte{2, 0}}, accept))
	}
	return rules
}

// ofPeers does something with packets from or to known hosts.
func (f frame) ofPeers(addr func(*family) *field, do stmt) []ruleSpec {
	var rules []ruleSpec
	for _, fam := range families {
		for _, known := range f.members(desired.TunnelPeers, fam, addr(fam)) {
			rules = append(rules, ruleOf(is{f: nfproto, value: []byte{fam.nfproto}}, known, do))
		}
	}
	return rules
}

func source(fam *family) *field      { return fam.saddr }
func destination(fam *family) *field { return fam.daddr }

// tunnelChains are the chains for tunnelled packets. What those between known hosts carry is tracked where it comes out: tracking them as well would
// double its cost.
func (f frame) tunnelChains() []frameChain {
	chains := []frameChain{
		{nft.Chain{Name: chainTunnels}, append(f.ofPeers(source, accept), ruleSpec{[]stmt{counter{}, drop}, "tunnelled packet of an unknown host"})},
		{nft.Chain{Name: chainTunnelsIn}, f.ofPeers(source, notrack{})},
		{nft.Chain{Name: chainTunnelsTo}, f.ofPeers(destination, notrack{})},
		{base(chainTunnelsOut, nft.HookOutput, nft.PriorityRaw), f.tunnelled(goTo(chainTunnelsTo))},
	}
	if f.hosts {
		chains = append(chains, frameChain{nft.Chain{Name: chainToPeers}, f.ofPeers(destination, accept)})
	}
	return chains
}

// encrypted lets WireGuard packets pass from or to known hosts.
func (f frame) encrypted(addr func(*family) *field) []ruleSpec {
	t := f.settings.Tunnels
	var rules []ruleSpec
	for i, fam := range families {
		if t.WireGuardPeers == "" || t.WireGuardPorts[i] == 0 {
			continue
		}
		for _, known := range f.members(desired.TunnelPeers, fam, addr(fam)) {
			rules = append(rules, ruleOf(is{f: l4proto, value: []byte{protoUDP}}, is{f: dport, value: be16(t.WireGuardPorts[i])},
				is{f: nfproto, value: []byte{fam.nfproto}}, known, accept))
		}
	}
	return rules
}

// noTunnels drops tunnelled packets of workloads.
func (f frame) noTunnels(fam *family) []ruleSpec {
	var rules []ruleSpec
	end := []stmt{fromWorkload, counter{}, drop}
	if t := f.settings.Tunnels; t.VXLANPort != 0 && !t.AllowVXLAN {
		rules = append(rules, ruleSpec{append(f.isVXLAN(), end...), "workloads may not send VXLAN"})
	}
	if !f.settings.Tunnels.AllowIPIP && fam == ipv4 {
		rules = append(rules, ruleSpec{append([]stmt{isIPIP}, end...), "workloads may not send IP-in-IP"})
	}
	return rules
}
