// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// Chains that are always there.
const (
	chainForward    = own.ChainPrefix + "FORWARD"
	chainInput      = own.ChainPrefix + "INPUT"
	chainPrerouting = own.ChainPrefix + "PREROUTING"
	chainFrom       = own.ChainPrefix + "from"
	chainTo         = own.ChainPrefix + "to"
	chainToHost     = own.ChainPrefix + "to-host"
)

// workloads stands for the interfaces of all workloads.
const workloads = own.InterfacePrefix + "+"

// discoveryTypes are ICMPv6 types that a workload needs to talk to its router at all: MLD and neighbour discovery, accepted before policy as Calico does.
var discoveryTypes = []int{130, 131, 132, 133, 135, 136}

// unconfigured are the sources of packets that a workload sends before it has an address, or about its link.
var unconfigured = []string{"::/128", "fe80::/10"}

// checkEndpoint returns an error for an endpoint that this driver cannot program.
func checkEndpoint(e *desired.Endpoint) error {
	if err := dataplane.CheckEndpoint(e); err != nil {
		return err
	}
	if !strings.HasPrefix(e.Interface, own.InterfacePrefix) || !plain(e.Interface) {
		return fmt.Errorf("interface name %q: want %s and then letters, digits, dots, dashes or underscores", e.Interface, own.InterfacePrefix)
	}
	if e.Interface == own.InterfacePrefix {
		return errors.New("interface name " + own.InterfacePrefix + ": want more than the prefix")
	}
	return nil
}

// frame renders a table: the chains around the endpoints', and what leads to them.
//
// A packet of a known connection ends with one of the first rules. A new one goes through its sender's egress chain if it comes from a workload and,
// when that allows it, by way of weft-to through the receiver's ingress chain. Names that no rule knows are dropped if they are workloads'
// names: a workload without its policy in place is closed. Packets that concern no workload go back to the rules of others.
func (b *builder) frame(table string, endpoints []*desired.Endpoint) error {
	switch table {
	case tableRaw:
		b.sources(endpoints)
	case tableFilter:
		return b.filter(endpoints)
	}
	return nil
}

// hook makes a chain of ours that a chain of the kernel leads to, in front of all else.
func (b *builder) hook(name string, rules []string) {
	b.put(own.ChainPrefix+name, rules, unit{})
	b.jumps[name] = jump(own.ChainPrefix + name)
}

// sources drops what a workload sends under an address that is not its own.
func (b *builder) sources(endpoints []*desired.Endpoint) {
	var rules []string
	if b.hostReturns() { // others may have set it
		rules = append(rules, in(workloads).rule("", unmark(own.AcceptMark)))
	}
	known := in(workloads).and(module("-m set --match-set " + b.fam.sourceSet().Name + " src,src"))
	rules = append(rules, known.rule("", returns))
	for _, e := range endpoints {
		for _, p := range ofFamily(e.SpoofPrefixes, b.fam) {
			from := in(e.Interface)
			if !everything(p) {
				from = from.and(criterion{rank: rankSource, text: "-s " + p.String()})
			}
			rules = append(rules, from.rule("", returns))
		}
	}
	if b.fam.v6 {
		for _, source := range unconfigured {
			for _, typ := range discoveryTypes {
				from := in(workloads).and(criterion{rank: rankSource, text: "-s " + source}, protocol(false, protoICMPv6), icmpType(b.fam, typ))
				rules = append(rules, from.rule("", returns))
			}
		}
	}
	b.hook("PREROUTING", append(rules, in(workloads).rule("source address is not the workload's", drop)))
}

func icmpType(f *family, typ int) criterion {
	return module("-m " + f.icmpMod + " " + f.icmpOpt + " " + strconv.Itoa(typ))
}

// known ends packets of known connections, and those that belong to none and cannot begin one. A TCP segment from the middle of an unknown
// connection is such, though connection tracking takes it for new (nf_conntrack_tcp_loose): it does not tell who opened the connection.
func (b *builder) known(end branch) []string {
	rules := []string{
		end.and(state("RELATED,ESTABLISHED"), ended(false)).rule("", accept),
		end.and(ended(true)).rule("connection ended by policy", drop),
	}
	if !b.settings.AllowInvalid {
		midway := end.and(protocol(false, protoTCP), state("NEW"), module("-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"))
		rules = append(rules, end.and(state("INVALID")).rule("", drop), midway.rule("", drop))
	}
	return rules
}

// ended tests the mark of connections that policy has ended.
func ended(is bool) criterion {
	if is {
		return module("-m connmark --mark " + bit(own.EndedMark))
	}
	return module("-m connmark ! --mark " + bit(own.EndedMark))
}

func (b *builder) filter(endpoints []*desired.Endpoint) error {
	from, err := b.endpointChains(endpoints, rule.Egress)
	if err != nil {
		return err
	}
	to, err := b.endpointChains(endpoints, rule.Ingress)
	if err != nil {
		return err
	}
	b.hook("FORWARD", append(append(b.known(in(workloads)), b.known(out(workloads))...),
		in(workloads).rule("", goTo(chainFrom)),
		out(workloads).rule("", goTo(chainTo)),
	))
	b.input()
	fromRules := b.dispatch("from", in, from, b.hostReturns())
	if b.hostReturns() {
		fromRules = append(fromRules, returnAccepted)
	}
	b.put(chainFrom, append(fromRules, unknown), unit{})
	b.put(chainTo, append(b.dispatch("to", out, to, false),
		out(workloads).rule("no policy in place for the interface", drop),
		branch{marked(own.HostMark)}.rule("", goTo(chainToHost)),
		in(workloads).rule("", accept),
	), unit{})
	b.toHost()
	return nil
}

// input judges what workloads send to the host itself. Which chain comes behind their egress policy depends on the packet alone, so one for the
// host carries a mark.
func (b *builder) input() {
	rules := b.known(in(workloads))
	if b.fam.v6 {
		for _, typ := range discoveryTypes {
			rules = append(rules, in(workloads).and(protocol(false, protoICMPv6), icmpType(b.fam, typ)).rule("", accept))
		}
	}
	rules = append(rules, in(workloads).rule("", mark(own.HostMark)))
	if b.hostReturns() {
		b.hook("INPUT", append(rules,
			in(workloads).rule("", jump(chainFrom)),
			in(workloads).rule("", unmark(own.AcceptMark)),
		))
		return
	}
	b.hook("INPUT", append(rules, in(workloads).rule("", goTo(chainFrom))))
}

// hostReturns reports whether packets to the host go on with the rules of others.
func (b *builder) hostReturns() bool { return b.settings.EndpointToHost == desired.HostReturn }

func (b *builder) toHost() {
	const why = "workload to its own host"
	rules := []string{branch{}.rule("", unmark(own.HostMark))}
	switch b.settings.EndpointToHost {
	case desired.HostAccept:
		rules = append(rules, branch{}.rule(why, accept))
	case desired.HostReturn:
		rules = append(rules, branch{}.rule(why, mark(own.AcceptMark)))
	default:
		rules = append(rules, branch{}.rule(why, drop))
	}
	b.put(chainToHost, rules, unit{})
}

// deny is what happens to packets that policy denies.
func (b *builder) deny() string {
	if b.settings.Reject {
		return "-j REJECT --reject-with " + b.fam.reject
	}
	return drop
}

// endpointChains renders the chains of all endpoints of the family and returns their names by interface.
func (b *builder) endpointChains(endpoints []*desired.Endpoint, dir rule.Direction) (map[string]string, error) {
	s := stage{dir: dir, allow: accept, deny: b.deny()}
	if dir == rule.Egress {
		s.allow, s.back = goTo(chainTo), b.hostReturns()
	}
	chains := map[string]string{}
	for _, e := range endpoints {
		if !hasFamily(e, b.fam) {
			continue
		}
		name, err := b.evaluate(evaluation{stage: s, tiers: e.Tiers[dir], profiles: e.Profiles, end: s.deny}, endpointUnit(e.ID))
		if err != nil {
			return nil, wrapRefusal(endpointUnit(e.ID), err)
		}
		chains[e.Interface] = name
	}
	return chains, nil
}

// wrapRefusal blames a unit for an error that blames none.
func wrapRefusal(u unit, err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return err
	}
	return &refusal{u, err}
}
