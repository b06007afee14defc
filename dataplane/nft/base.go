// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// Names of the frame: base chains, dispatch maps and source address sets.
const (
	tableName       = own.NFTable
	chainPrerouting = "prerouting"
	chainForward    = "forward"
	chainInput      = "input"
	chainInvalid    = "invalid"
	chainToHost     = "to-host"
	chainDeny       = "deny"
)

func fromChain(f *family) string { return "from" + f.tag }
func toChain(f *family) string   { return "to" + f.tag }

// dispatchMap maps interface names of workloads to their chains.
func dispatchMap(toWorkload bool, f *family) *nft.Set {
	name := "egress" + f.tag
	if toWorkload {
		name = "ingress" + f.tag
	}
	return &nft.Set{Name: name, Key: []nft.Field{nft.FieldIfname}, Verdicts: true}
}

// dispatchOf is the dispatch map of a rule.Direction.
func dispatchOf(dir int, f *family) *nft.Set { return dispatchMap(dir == int(rule.Ingress), f) }

// sourceSet holds the addresses that each workload interface may send from; sourceNetSet the prefixes.
func sourceSet(f *family) *nft.Set {
	return &nft.Set{Name: "source" + f.tag, Key: []nft.Field{nft.FieldIfname, f.addr}}
}

func sourceNetSet(f *family) *nft.Set {
	return &nft.Set{Name: "source-net" + f.tag, Key: []nft.Field{nft.FieldIfname, f.addr}, Interval: true}
}

// frameChain is a chain that is always there.
type frameChain struct {
	chain nft.Chain
	rules []ruleSpec
}

// ICMPv6 types that a workload needs to talk to its router at all: MLD and neighbour discovery, accepted before policy as Calico does.
var discoveryTypes = [][]byte{{130}, {131}, {132}, {133}, {135}, {136}}

// frame renders the chains around the endpoints'.
//
// A packet of a known connection ends with the first rule of forward. A TCP segment from the middle of an unknown one is invalid, though
// connection tracking takes it for new (nf_conntrack_tcp_loose): it does not tell who opened the connection. A new packet goes through its
// sender's egress chain if it comes from a workload and, when that allows it, through to4 or to6 to the receiver's ingress chain. Names that no map knows are dropped if they are
// workloads' names: a workload without its policy in place is closed.
func frame(settings *desired.Settings) []frameChain {
	workload := own.InterfacePrefix
	v4, v6 := is{f: nfproto, value: []byte{ipv4.nfproto}}, is{f: nfproto, value: []byte{ipv6.nfproto}}
	known := []ruleSpec{
		{stmts: []stmt{state(ctEstablished | ctRelated), ended{not: true}, accept}},
		{[]stmt{ended{}, counter{}, drop}, "connection ended by policy"},
	}
	if !settings.AllowInvalid {
		known = append(known,
			ruleSpec{stmts: []stmt{state(ctInvalid), goTo(chainInvalid)}},
			ruleSpec{stmts: []stmt{state(ctNew), is{f: l4proto, value: []byte{protoTCP}}, midway{}, jump(chainInvalid)}},
		)
	}
	discovery := inConst(icmp6, false, hostSet(icmp6.kind, discoveryTypes))
	isICMPv6 := is{f: l4proto, value: []byte{protoICMPv6}}
	autoconfigured := inConst(ipv6.saddr, false, prefixSet(ipv6, linkLocalSources))
	chains := []frameChain{
		{base(chainPrerouting, nft.HookPrerouting, nft.PriorityRaw), []ruleSpec{
			{stmts: []stmt{named{iifname, true, workload}, accept}},
			{stmts: []stmt{v4, in{fields: []*field{iifname, ipv4.saddr}, set: sourceSet(ipv4).Name}, accept}},
			{stmts: []stmt{v6, in{fields: []*field{iifname, ipv6.saddr}, set: sourceSet(ipv6).Name}, accept}},
			{stmts: []stmt{v4, in{fields: []*field{iifname, ipv4.saddr}, set: sourceNetSet(ipv4).Name}, accept}},
			{stmts: []stmt{v6, in{fields: []*field{iifname, ipv6.saddr}, set: sourceNetSet(ipv6).Name}, accept}},
			{stmts: []stmt{isICMPv6, discovery, v6, autoconfigured, accept}},
			{[]stmt{counter{}, drop}, "source address is not the workload's"},
		}},
		{base(chainForward, nft.HookForward, nft.PriorityFilter), append(slices.Clone(known),
			ruleSpec{stmts: []stmt{v4, goTo(fromChain(ipv4))}},
			ruleSpec{stmts: []stmt{v6, goTo(fromChain(ipv6))}},
		)},
		{base(chainInput, nft.HookInput, nft.PriorityFilter), slices.Concat(
			[]ruleSpec{{stmts: []stmt{named{iifname, true, workload}, accept}}},
			known,
			[]ruleSpec{
				{stmts: []stmt{isICMPv6, discovery, accept}},
				{stmts: []stmt{v4, goTo(fromChain(ipv4))}},
				{stmts: []stmt{v6, goTo(fromChain(ipv6))}},
				{stmts: []stmt{drop}},
			},
		)},
		{nft.Chain{Name: chainInvalid}, []ruleSpec{
			{[]stmt{named{iifname, false, workload}, counter{}, drop}, "invalid connection state"},
			{[]stmt{named{oifname, false, workload}, counter{}, drop}, "invalid connection state"},
		}},
		{nft.Chain{Name: chainToHost}, []ruleSpec{hostRule(settings.EndpointToHost)}},
		{nft.Chain{Name: chainDeny}, denial(settings.Reject)},
	}
	for _, f := range families {
		chains = append(chains, dispatch(f)...)
	}
	return chains
}

func base(name string, hook uint32, priority int32) nft.Chain {
	return nft.Chain{Name: name, Hook: &nft.Hook{Num: hook, Priority: priority}}
}

// denial ends the way of all packets that policy denies.
func denial(reject bool) []ruleSpec {
	if !reject {
		return []ruleSpec{{stmts: []stmt{drop}}}
	}
	return []ruleSpec{
		{stmts: []stmt{is{f: l4proto, value: []byte{protoTCP}}, rejectTCP{}}},
		{stmts: []stmt{rejectOther{}}},
	}
}

// hostRule ends the way from a workload to its own host. Returning a packet leaves it to other tables' rules: as nftables lets every table
// decide, that is what accepting in this one means.
func hostRule(action desired.HostAction) ruleSpec {
	if action == desired.HostDrop {
		return ruleSpec{[]stmt{counter{}, drop}, "workload to its own host"}
	}
	return ruleSpec{[]stmt{counter{}, accept}, "workload to its own host"}
}

// dispatch renders the chains that find a packet's endpoints: by its input interface, then, allowed so far, by its output interface. A
// packet to the host has no output interface.
func dispatch(f *family) []frameChain {
	workload := own.InterfacePrefix
	return []frameChain{
		{nft.Chain{Name: fromChain(f)}, []ruleSpec{
			{stmts: []stmt{vmap{iifname, dispatchMap(false, f).Name}}},
			{[]stmt{named{iifname, false, workload}, counter{}, drop}, "no policy in place for the interface"},
			{stmts: []stmt{goTo(toChain(f))}},
		}},
		{nft.Chain{Name: toChain(f)}, []ruleSpec{
			{stmts: []stmt{vmap{oifname, dispatchMap(true, f).Name}}},
			{[]stmt{named{oifname, false, workload}, counter{}, drop}, "no policy in place for the interface"},
			{stmts: []stmt{is{f: oif, value: make([]byte, 4)}, goTo(chainToHost)}},
			{stmts: []stmt{accept}},
		}},
	}
}
