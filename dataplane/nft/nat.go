// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"slices"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// Chains of address translation. Only the first packet of a connection comes there, and they are there only where something is to be translated.
const (
	chainDNATIn      = "dnat-prerouting"
	chainDNATOut     = "dnat-output"
	chainHostPorts   = "host-ports"
	chainSNAT        = "snat-postrouting"
	chainNATOutgoing = "nat-outgoing"
)

// floatingMap leads from floating addresses to those of workloads.
func floatingMap(f *family) *nft.Set {
	return &nft.Set{Name: "floating" + f.tag, Key: []nft.Field{f.addr}, Data: []nft.Field{f.addr}}
}

// hostPortMap leads from ports of one address of the host to those of workloads, anyHostPortMap from ports of all its addresses.
func hostPortMap(f *family) *nft.Set {
	return &nft.Set{Name: "host-port" + f.tag, Key: []nft.Field{f.addr, nft.FieldProto, nft.FieldPort}, Data: []nft.Field{f.addr, nft.FieldPort}}
}

func anyHostPortMap(f *family) *nft.Set {
	return &nft.Set{Name: "any-host-port" + f.tag, Key: []nft.Field{nft.FieldProto, nft.FieldPort}, Data: []nft.Field{f.addr, nft.FieldPort}}
}

func natSets() []*nft.Set {
	var out []*nft.Set
	for _, f := range families {
		out = append(out, floatingMap(f), hostPortMap(f), anyHostPortMap(f))
	}
	return out
}

// translated reports whether addresses lead to the endpoint by translation.
func (e *endpoint) translated() bool {
	return e != nil && e.e != nil && e.e.Translated()
}

// retranslate plans the change of what leads to an endpoint by translation.
func (l *ledger) retranslate(old, now *endpoint, tag unit) {
	if was, is := old.translated(), now.translated(); was || is {
		l.countTranslated(was, -1)
		l.countTranslated(is, 1)
		for _, f := range families {
			before, after := natKeys(old, f), natKeys(now, f)
			for i, set := range []*nft.Set{floatingMap(f), hostPortMap(f), anyHostPortMap(f)} {
				l.keysChange(set, before[i], after[i], tag)
			}
		}
	}
}

func (l *ledger) countTranslated(is bool, n int) {
	if is {
		before := l.translated > 0
		l.translated += n
		l.frame.stale = l.frame.stale || before != (l.translated > 0)
	}
}

// natKeys are an endpoint's packed elements of floatingMap, hostPortMap and anyHostPortMap.
func natKeys(of *endpoint, f *family) (out [3]map[string]struct{}) {
	for i := range out {
		out[i] = map[string]struct{}{}
	}
	if !of.translated() {
		return out
	}
	for _, x := range of.e.FloatingIPs {
		if familyOf(x.External) == f {
			out[0][string(x.External.AsSlice())+string(x.Internal.AsSlice())] = struct{}{}
		}
	}
	for _, p := range of.e.HostPorts {
		if familyOf(p.To.Addr()) != f {
			continue
		}
		key := string([]byte{p.Protocol, 0, 0, 0}) + portField(p.Port)
		to := string(p.To.Addr().AsSlice()) + portField(p.To.Port())
		if p.Host.IsValid() {
			out[1][string(p.Host.AsSlice())+key+to] = struct{}{}
		} else {
			out[2][key+to] = struct{}{}
		}
	}
	return out
}

// portField is a port as a part of a concatenation.
func portField(port uint16) string { return string(append(be16(port), 0, 0)) }

// natChains renders what is in use of the chains of translation.
func (f frame) natChains() []frameChain {
	var chains []frameChain
	if f.translated {
		chains = append(chains,
			frameChain{natBase(chainDNATIn, nft.HookPrerouting, dstNAT), f.toWorkloads()},
			frameChain{natBase(chainDNATOut, nft.HookOutput, dstNAT), append([]ruleSpec{loopbackPorts()}, f.toWorkloads()...)},
			frameChain{nft.Chain{Name: chainHostPorts}, f.hostPorts()},
		)
	}
	if f.natOutgoing() {
		chains = append(chains, frameChain{nft.Chain{Name: chainNATOutgoing}, f.outgoing()})
	}
	if f.translated || f.natOutgoing() {
		chains = append(chains, frameChain{natBase(chainSNAT, nft.HookPostrouting, srcNAT), f.sources()})
	}
	return chains
}

// dstNAT and srcNAT are when destinations and sources are translated. Variables for tests of a kernel that cannot.
var dstNAT, srcNAT int32 = nft.PriorityDstNAT, nft.PrioritySrcNAT

func natBase(name string, hook uint32, priority int32) nft.Chain {
	return nft.Chain{Name: name, Hook: &nft.Hook{Num: hook, Priority: priority, NAT: true}}
}

// toWorkloads finds the workload that a floating address or a port of the host leads to.
func (f frame) toWorkloads() []ruleSpec {
	var rules []ruleSpec
	for _, fam := range families {
		rules = append(rules, ruleOf(fam.is(), dnat{fam: fam, fields: []*field{fam.daddr}, set: floatingMap(fam)}))
	}
	return append(rules, ruleOf(toHostAddr{}, jump(chainHostPorts)))
}

// loopbackPorts is for processes of the host alone: nothing else may reach what listens at a loopback address. IPv6 has no such ports, as the kernel
// lets no packet from its loopback address leave the host.
func loopbackPorts() ruleSpec {
	return ruleOf(isIPv4, within{f: ipv4.daddr, prefix: ipv4.loopback}, dnat{fam: ipv4, fields: []*field{ipv4.daddr, l4proto, dport}, set: hostPortMap(ipv4)})
}

// hostPorts looks at the ports of one address before those of all. What runs on the host keeps the loopback addresses but for loopbackPorts.
func (f frame) hostPorts() []ruleSpec {
	var rules []ruleSpec
	for _, fam := range families {
		rules = append(rules,
			ruleOf(fam.is(), within{f: fam.daddr, prefix: fam.loopback}, returns),
			ruleOf(fam.is(), dnat{fam: fam, fields: []*field{fam.daddr, l4proto, dport}, set: hostPortMap(fam)}),
			ruleOf(fam.is(), dnat{fam: fam, fields: []*field{l4proto, dport}, set: anyHostPortMap(fam)}),
		)
	}
	return rules
}

// sources translates the sources of packets. What a workload has sent to itself, by an address that leads to it, has to come back by way of the
// host, or it would answer itself under another address than it was asked by; and what a process of the host has sent to a loopback address.
func (f frame) sources() []ruleSpec {
	var rules []ruleSpec
	if f.translated {
		for _, fam := range families {
			toItself := in{fields: []*field{oifname, fam.saddr}, set: sourceSet(fam).Name}
			rules = append(rules, ruleSpec{[]stmt{fam.is(), toItself, masquerade{}}, "workload to itself"})
		}
		rules = append(rules, ruleSpec{[]stmt{toWorkload, isIPv4, within{f: ipv4.saddr, prefix: ipv4.loopback}, masquerade{}}, "from a loopback address"})
	}
	if f.natOutgoing() {
		for _, fam := range families {
			for _, from := range f.members(desired.NATSources, fam, fam.saddr) {
				rules = append(rules, ruleOf(fam.is(), from, jump(chainNATOutgoing)))
			}
		}
	}
	return rules
}

// natOutgoing reports whether packets get an address of the node. Without the sets it is not known which.
func (f frame) natOutgoing() bool {
	_, sources := f.shapes[desired.NATSources]
	_, inside := f.shapes[desired.NATInside]
	return f.settings.SourceNAT.Sources != "" && sources && inside
}

// outgoing gives packets to destinations outside the pools an address of the node.
func (f frame) outgoing() []ruleSpec {
	nat := f.settings.SourceNAT
	var rules []ruleSpec
	if nat.Interface != "" {
		rules = append(rules, ruleOf(interfaceIs(oifname, true, nat.Interface), returns))
	}
	for _, fam := range families {
		for _, inside := range f.members(desired.NATInside, fam, fam.daddr) {
			rules = append(rules, ruleOf(fam.is(), inside, returns))
		}
	}
	plain, withPorts := masquerade{}, masquerade{min: nat.MinPort, max: nat.MaxPort}
	if nat.Address.IsValid() {
		plain, withPorts := snat{plain, nat.Address}, snat{withPorts, nat.Address}
		rules = append(rules, f.ported(withPorts, isIPv4)...)
		rules = append(rules, ruleOf(isIPv4, plain))
	}
	return append(append(rules, f.ported(withPorts)...), ruleOf(plain))
}

// ported translates packets of the protocols that have ports, where ports are given.
func (f frame) ported(translate stmt, tests ...stmt) []ruleSpec {
	if f.settings.SourceNAT.MinPort == 0 {
		return nil
	}
	var rules []ruleSpec
	for _, protocol := range []byte{protoTCP, protoUDP, protoSCTP} {
		rules = append(rules, ruleOf(append(slices.Clip(tests), is{f: l4proto, value: []byte{protocol}}, translate)...))
	}
	return rules
}

// natTag is whose a chain of translation is; not ok: it is none.
func (f frame) natTag(name string) (unit, bool) {
	switch name {
	case chainDNATIn, chainDNATOut, chainHostPorts:
		return ofNAT, true
	case chainNATOutgoing:
		return ofSetting(dataplane.NATOutgoing), true
	case chainSNAT:
		if f.natOutgoing() {
			return ofSetting(dataplane.NATOutgoing), true
		}
		return ofNAT, true
	}
	return unit{}, false
}
