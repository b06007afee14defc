// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// chainTunnels lets tunnelled packets of known hosts in, and no others.
const chainTunnels = "tunnels"

// chainTunnelsOut sees those of this node's own.
const chainTunnelsOut = "tunnels-out"

// chainClamp fits TCP connections to their path.
const chainClamp = "clamp-mss"

// clamp leads what opens a TCP connection there. What answers it is known already; its sender is told by its own node what does not fit.
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

// tunnelled does something with the packets of a family that are of this node's kinds of tunnel.
func (f frame) tunnelled(fam *family, do ...stmt) []ruleSpec {
	do = append([]stmt{is{f: nfproto, value: []byte{fam.nfproto}}}, do...)
	var rules []ruleSpec
	if f.settings.Tunnels.VXLANPeers != "" {
		rules = append(rules, ruleOf(append(f.isVXLAN(), do...)...))
	}
	if f.settings.Tunnels.IPIPPeers != "" && fam == ipv4 {
		rules = append(rules, ruleOf(append([]stmt{isIPIP}, do...)...))
	}
	return rules
}

// fromPeers leads tunnelled packets to a verdict.
func (f frame) fromPeers(verdict then) []ruleSpec {
	return append(f.tunnelled(ipv4, verdict), f.tunnelled(ipv6, verdict)...)
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

// tunnels renders chainTunnels.
func (f frame) tunnels() []ruleSpec {
	var rules []ruleSpec
	for _, fam := range families {
		for _, known := range f.members(desired.TunnelPeers, fam, fam.saddr) {
			rules = append(rules, ruleOf(is{f: nfproto, value: []byte{fam.nfproto}}, known, accept))
		}
	}
	return append(rules, ruleSpec{[]stmt{counter{}, drop}, "tunnelled packet of an unknown host"})
}

// toPeers lets the node send tunnelled packets to known hosts.
func (f frame) toPeers() []ruleSpec {
	var rules []ruleSpec
	for _, fam := range families {
		for _, known := range f.members(desired.TunnelPeers, fam, fam.daddr) {
			rules = append(rules, f.tunnelled(fam, known, accept)...)
		}
	}
	return append(rules, f.encrypted(func(fam *family) *field { return fam.daddr })...)
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

// untrackedTunnels leaves tunnelled packets between known hosts out of connection tracking: what they carry is tracked where it comes out, and tracking them
// as well would double its cost.
func (f frame) untrackedTunnels(other func(*family) *field, when ...stmt) []ruleSpec {
	var rules []ruleSpec
	for _, fam := range families {
		for _, known := range f.members(desired.TunnelPeers, fam, other(fam)) {
			rules = append(rules, f.tunnelled(fam, append(slices.Clone(when), known, notrack{})...)...)
		}
	}
	return rules
}

// tunnelsOut is where tunnelled packets of this node begin.
func (f frame) tunnelsOut() frameChain {
	return frameChain{base(chainTunnelsOut, nft.HookOutput, nft.PriorityRaw), f.untrackedTunnels(func(fam *family) *field { return fam.daddr })}
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
