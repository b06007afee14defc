// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// Chains that are always there.
const (
	chainFrom   = own.ChainPrefix + "from"
	chainTo     = own.ChainPrefix + "to"
	chainToHost = own.ChainPrefix + "to-host"
	chainJudged = own.ChainPrefix + "judged"
)

// workloads stands for the interfaces of all workloads.
const workloads = own.InterfacePrefix + "+"

// discoveryTypes are ICMPv6 types that a workload needs to talk to its router at all: MLD and neighbour discovery, accepted before policy as Calico does.
var discoveryTypes = []int{130, 131, 132, 133, 135, 136}

// hostDiscoveryTypes are those that the host needs on its own links: router advertisements (134) and MLDv2 reports (143) as well.
var hostDiscoveryTypes = append(slices.Clone(discoveryTypes), 134, 143)

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
// names: a workload without its policy in place is closed. Packets that concern neither workloads nor host endpoints go back to the rules of
// others.
func (b *builder) frame(table string, endpoints []*desired.Endpoint) error {
	switch table {
	case tableRaw:
		return b.raw(endpoints)
	case tableMangle:
		return b.mangle()
	case tableNAT:
		b.nat(endpoints)
		return nil
	}
	return b.filter(endpoints)
}

// back reports how stages follow each other: an allowed packet goes on from where it was allowed to the next stage; or, where that may have to give
// it back to the rules of others, back to the frame with own.JudgedMark on it, at the price of one test a policy.
func (b *builder) back() bool { return b.settings.EndpointToHost == desired.HostReturn }

// sources drops what a workload sends under an address that is not its own.
func (b *builder) sources(endpoints []*desired.Endpoint) []string {
	var rules []string
	if b.back() || !b.hosts.none() { // others may have set them
		rules = append(rules, branch{}.rule("", unmark(own.AcceptMark|own.HostMark|own.JudgedMark)))
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
	return append(rules, in(workloads).rule("source address is not the workload's", drop))
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
	fromRules, toRules := b.dispatch("from", in, from, b.back()), b.dispatch("to", out, to, b.back())
	if b.back() || b.forwards(rule.Ingress) || b.forwards(rule.Egress) {
		b.pin(chainJudged, []string{branch{}.rule("", mark(own.JudgedMark))})
	}
	if b.back() {
		b.pin(chainFrom, slices.Concat(b.noTunnels(), fromRules, []string{returnJudged, unknown}))
		b.pin(chainTo, append(toRules, returnJudged, unknown))
		b.backward()
	} else {
		b.pin(chainFrom, slices.Concat(b.noTunnels(), fromRules, []string{unknown}))
		b.onward(toRules)
	}
	return b.filterHosts()
}

func (b *builder) forwards(dir rule.Direction) bool { return b.hosts.use(forwards(dir)) }

// clearJudged takes a verdict off a packet that goes on to the next stage.
var clearJudged = branch{}.rule("", unmark(own.JudgedMark))

// arriving begins the way of forwarded packets.
func (b *builder) arriving() []string {
	rules := append(b.known(in(workloads)), b.known(out(workloads))...)
	if b.forwards(rule.Ingress) {
		rules = append(rules, branch{unmarked(own.AcceptMark)}.rule("", jump(chainHostForwardIn)), clearJudged)
	}
	return rules
}

// leaving leads to policy of the host endpoint that a forwarded packet leaves by.
func (b *builder) leaving() []string {
	if b.forwards(rule.Egress) {
		return []string{branch{}.rule("", jump(chainHostForwardOut)), clearJudged}
	}
	return nil
}

// onward renders the frame where an allowed packet goes on to the next stage. Which comes behind a workload's egress policy depends on the
// packet alone, so one to the host itself carries a mark.
func (b *builder) onward(toRules []string) {
	to := out(workloads)
	if b.forwards(rule.Egress) {
		to = nil
	}
	b.hook("FORWARD", append(b.arriving(), in(workloads).rule("", goTo(chainFrom)), to.rule("", goTo(chainTo))))
	b.hook("INPUT", append(b.received(), append([]string{
		in(workloads).rule("", mark(own.HostMark)),
		in(workloads).rule("", goTo(chainFrom)),
	}, b.toProcesses()...)...))
	toHost := []string{branch{marked(own.HostMark)}.rule("", goTo(chainToHost))}
	toRules = append(toRules, out(workloads).rule("no policy in place for the interface", drop))
	if b.forwards(rule.Egress) {
		toRules = slices.Concat(toHost, b.leaving(), toRules)
	} else {
		toRules = append(toRules, toHost...) // most packets are forwarded
	}
	b.pin(chainTo, append(toRules, in(workloads).rule("", accept)))
	b.pin(chainToHost, []string{branch{}.rule("", unmark(own.HostMark)), b.hostAction(nil)})
}

// backward renders the frame where an allowed packet comes back with a mark.
func (b *builder) backward() {
	b.hook("FORWARD", slices.Concat(b.arriving(),
		[]string{in(workloads).rule("", jump(chainFrom)), clearJudged},
		b.leaving(),
		[]string{
			out(workloads).rule("", jump(chainTo)), clearJudged,
			in(workloads).rule("", accept),
			out(workloads).rule("", accept),
		}))
	b.hook("INPUT", slices.Concat(b.received(), []string{in(workloads).rule("", jump(chainFrom)), clearJudged}, b.toProcesses()))
}

// received begins the way of packets to the host itself.
func (b *builder) received() []string {
	rules := slices.Concat(b.fromPeers(), b.sizeReports(), b.known(in(workloads)))
	if b.fam.v6 {
		for _, typ := range discoveryTypes {
			rules = append(rules, in(workloads).and(protocol(false, protoICMPv6), icmpType(b.fam, typ)).rule("", accept))
		}
	}
	return rules
}

// toProcesses leads to policy for processes of the host. Of workloads' packets only those come here that go on with the rules of others.
func (b *builder) toProcesses() []string {
	if b.hosts.none() {
		return nil
	}
	rules := []string{branch{marked(own.AcceptMark)}.rule("", accept), branch{}.rule("", jump(chainHostIn))}
	if b.back() && b.hosts.any == nil {
		return append([]string{in(workloads).rule("", returns)}, rules...)
	}
	return rules
}

// Comments that tell which setting a rule stands for.
const (
	toHostComment   = "workload to its own host"
	failsafeComment = "failsafe port"
	clampComment    = "segments that fit the path"
)

func (b *builder) hostAction(test branch) string {
	if b.settings.EndpointToHost == desired.HostAccept {
		return test.rule(toHostComment, accept)
	}
	return test.rule(toHostComment, drop)
}

// deny is what happens to packets that policy denies.
func (b *builder) deny() string {
	if b.settings.Reject {
		return b.fam.answer()
	}
	return drop
}

// endpointChains renders the chains of all endpoints of the family and returns their names by interface.
func (b *builder) endpointChains(endpoints []*desired.Endpoint, dir rule.Direction) (map[string]string, error) {
	s := stage{dir: dir, allow: accept, deny: b.deny()}
	switch {
	case b.back():
		s.allow, s.back = goTo(chainJudged), true
	case dir == rule.Egress:
		s.allow = goTo(chainTo)
	}
	chains := map[string]string{}
	known := map[*desired.Endpoint]string{}
	for _, e := range endpoints {
		if !hasFamily(e, b.fam) {
			continue
		}
		name, ok := b.ofEndpoint[dir][e]
		if !ok {
			var err error
			if name, err = b.evaluate(evaluation{stage: s, tiers: e.Tiers[dir], profiles: e.Profiles, end: s.deny}, endpointUnit(e.ID)); err != nil {
				return nil, wrapRefusal(endpointUnit(e.ID), err)
			}
		}
		chains[e.Interface], known[e] = name, name
	}
	b.ofEndpoint[dir] = known
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
