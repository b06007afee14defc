// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// Chains that find a packet's host endpoint, one for each sort of policy and direction; they are there when a host endpoint has such policy.
const (
	chainHostIn         = own.ChainPrefix + "host-in"
	chainHostOut        = own.ChainPrefix + "host-out"
	chainHostForwardIn  = own.ChainPrefix + "host-forward-in"
	chainHostForwardOut = own.ChainPrefix + "host-forward-out"
	chainHostArriving   = own.ChainPrefix + "host-arriving"
	chainFinal          = own.ChainPrefix + "final"
	chainUntracked      = own.ChainPrefix + "untracked"
)

// hosts are the host endpoints that are in force.
type hosts struct {
	named  []*desired.HostEndpoint // by interface
	any    *desired.HostEndpoint   // of all other interfaces; nil: none
	closed map[desired.EndpointID]error
}

// openHosts checks and sorts the host endpoints of a view.
func openHosts(view desired.View, closed map[desired.EndpointID]error) (hosts, error) {
	h := hosts{closed: closed}
	taken := map[string]desired.EndpointID{}
	for e := range view.HostEndpoints() {
		err := checkHost(e)
		if other, ok := taken[e.Interface]; ok && err == nil {
			err = dataplane.SharedInterfaceError(e.Interface, other)
		}
		switch {
		case err != nil && closed[e.ID] == nil:
			return h, &refusal{endpointUnit(e.ID), err}
		case err != nil: // it has been told
		case e.Interface == desired.AnyInterface:
			h.any = e
		default:
			h.named = append(h.named, e)
		}
		if err == nil {
			taken[e.Interface] = e.ID
		}
	}
	return h, nil
}

// checkHost returns an error for a host endpoint that this driver cannot program.
func checkHost(e *desired.HostEndpoint) error {
	if e.Interface != desired.AnyInterface && (!plain(e.Interface) || len(e.Interface) > interfaceMax) {
		return fmt.Errorf("interface name %q: want up to %d letters, digits, dots, dashes or underscores", e.Interface, interfaceMax)
	}
	return nil
}

// interfaceMax is the longest name of a network interface in bytes (IFNAMSIZ less the closing zero, netdevice(7)).
const interfaceMax = 15

func (h hosts) none() bool { return len(h.named) == 0 && h.any == nil }

// use reports whether a host endpoint satisfies a condition.
func (h hosts) use(f func(*desired.HostEndpoint) bool) bool {
	return slices.ContainsFunc(h.named, f) || h.any != nil && f(h.any)
}

func forwards(dir rule.Direction) func(*desired.HostEndpoint) bool {
	return func(e *desired.HostEndpoint) bool { return len(e.Forward[dir]) > 0 }
}

func untracked(dir rule.Direction) func(*desired.HostEndpoint) bool {
	return func(e *desired.HostEndpoint) bool {
		return e.Interface != desired.AnyInterface && len(e.Untracked[dir]) > 0
	}
}

func preDNAT(e *desired.HostEndpoint) bool { return len(e.PreDNAT) > 0 }

func always(*desired.HostEndpoint) bool { return true }

// hostSort is one sort of host endpoint policy in one direction.
type hostSort struct {
	dir    rule.Direction
	has    func(*desired.HostEndpoint) bool
	tiers  func(*desired.HostEndpoint) []desired.TierPolicies
	render func(e *desired.HostEndpoint, tiers []desired.TierPolicies) evaluation
}

// hostChain renders the chain that finds a packet's host endpoint, and those it leads to. A named host endpoint goes before the one for any
// interface, also where it has no policy of the sort.
func (b *builder) hostChain(name string, s hostSort) error {
	test := in
	if s.dir == rule.Egress {
		test = out
	}
	var rules []string
	for _, e := range b.hosts.named {
		target, err := b.hostTarget(e, s)
		if err != nil {
			return err
		}
		rules = append(rules, test(e.Interface).rule("", target))
	}
	if b.hosts.any != nil {
		target, err := b.hostTarget(b.hosts.any, s)
		if err != nil {
			return err
		}
		rules = append(rules, branch{}.rule("", target))
	}
	b.pin(name, rules)
	return nil
}

func (b *builder) hostTarget(e *desired.HostEndpoint, s hostSort) (string, error) {
	if !s.has(e) {
		return returns, nil
	}
	tiers := s.tiers(e)
	closed := b.hosts.closed[e.ID] != nil
	if closed {
		tiers = nil
	}
	ev := s.render(e, tiers)
	if closed {
		ev.profiles, ev.end = nil, ev.deny
	}
	name, err := b.evaluate(ev, endpointUnit(e.ID))
	if err != nil {
		return "", wrapRefusal(endpointUnit(e.ID), err)
	}
	return goTo(name), nil
}

// normal is policy for processes of the host: known connections first, then failsafe ports.
func (b *builder) normal(dir rule.Direction, deny string) hostSort {
	before := []string{
		branch{state("RELATED,ESTABLISHED"), ended(false)}.rule("", accept),
		branch{ended(true)}.rule("connection ended by policy", drop),
	}
	if b.fam.v6 {
		for _, typ := range hostDiscoveryTypes {
			before = append(before, branch{protocol(false, protoICMPv6), icmpType(b.fam, typ)}.rule("", accept))
		}
	}
	before = append(before, b.failsafe(dir, dir, "dport", accept)...)
	if !b.settings.AllowInvalid {
		before = append(before, branch{state("INVALID")}.rule("", drop))
	}
	return hostSort{dir: dir, has: always, tiers: func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Normal[dir] },
		render: func(e *desired.HostEndpoint, tiers []desired.TierPolicies) evaluation {
			return evaluation{stage: stage{dir: dir, allow: accept, deny: deny}, before: before, tiers: tiers, profiles: e.Profiles, end: deny}
		}}
}

// forward is policy for what the host forwards. What it allows goes on: its verdict is not the last.
func (b *builder) forward(dir rule.Direction) hostSort {
	s := stage{dir: dir, allow: goTo(chainJudged), deny: b.deny(), back: true}
	before := []string{branch{state("RELATED,ESTABLISHED"), ended(false)}.rule("", accept), branch{ended(true)}.rule("connection ended by policy", drop)}
	return hostSort{dir: dir, has: forwards(dir), tiers: func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Forward[dir] },
		render: func(_ *desired.HostEndpoint, tiers []desired.TierPolicies) evaluation {
			return evaluation{stage: s, before: before, tiers: tiers}
		}}
}

// early is policy before connection tracking or destination NAT: what it allows is final, what it says nothing about goes on.
func (b *builder) early(dir rule.Direction, has func(*desired.HostEndpoint) bool, tiers func(*desired.HostEndpoint) []desired.TierPolicies, allow string, failsafe []string) hostSort {
	s := stage{dir: dir, allow: goTo(allow), deny: drop, open: true}
	return hostSort{dir: dir, has: has, tiers: tiers, render: func(_ *desired.HostEndpoint, tiers []desired.TierPolicies) evaluation {
		return evaluation{stage: s, before: failsafe, tiers: tiers}
	}}
}

// failsafe renders rules for the failsafe ports of a list, of packets in a direction.
func (b *builder) failsafe(list, dir rule.Direction, port, target string) []string {
	option, rank := "-s", rankSource
	if dir == rule.Egress {
		option, rank = "-d", rankDestination
	}
	type peer struct {
		protocol uint8
		net      netip.Prefix
	}
	var order []peer
	ports := map[peer][]rule.PortRange{}
	for _, f := range b.settings.Failsafe[list] {
		if f.Net.IsValid() && familyOf(f.Net.Addr()) != b.fam {
			continue
		}
		p := peer{f.Protocol, f.Net}
		if ports[p] == nil {
			order = append(order, p)
		}
		ports[p] = append(ports[p], rule.PortRange{Min: f.Port, Max: f.Port})
	}
	var rules []string
	for _, p := range order {
		br := branch{protocol(false, p.protocol)}
		if p.net.IsValid() && !everything(p.net) {
			br = br.and(criterion{rank: rank, text: option + " " + p.net.Masked().String()})
		}
		e := end{port: port}
		for _, part := range portions(rule.MergePorts(ports[p])) {
			rules = append(rules, br.and(e.portTest(false, part, p.protocol)).rule(failsafeComment, target))
		}
	}
	return rules
}

// untrackedPolicy is in the raw table. Nothing is known of replies there, so the failsafe ports of the other direction count as source ports.
func (b *builder) untrackedPolicy(dir rule.Direction, name string) error {
	reverse := rule.Egress - dir
	failsafe := append(b.failsafe(dir, dir, "dport", returns), b.failsafe(reverse, dir, "sport", returns)...)
	tiers := func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Untracked[dir] }
	return b.hostChain(name, b.early(dir, untracked(dir), tiers, chainUntracked, failsafe))
}

// raw renders the check of sources and untracked policy.
func (b *builder) raw(endpoints []*desired.Endpoint) error {
	arriving := append(b.untrackedTunnels("src", notIn(workloads)...), b.sources(endpoints)...)
	leaving := b.untrackedTunnels("dst")
	if len(leaving) > 0 {
		b.hook("OUTPUT", leaving)
	}
	if !b.hosts.use(untracked(rule.Ingress)) && !b.hosts.use(untracked(rule.Egress)) {
		b.hook("PREROUTING", arriving)
		return nil
	}
	b.hook("PREROUTING", append(arriving, branch{}.rule("", jump(chainHostIn))))
	b.hook("OUTPUT", append(leaving, branch{}.rule("", unmark(own.AcceptMark)), branch{}.rule("", jump(chainHostOut))))
	b.pin(chainUntracked, []string{
		branch{}.rule("", notrack),
		branch{}.rule("", mark(own.AcceptMark)),
		branch{}.rule("", accept),
	})
	if err := b.untrackedPolicy(rule.Ingress, chainHostIn); err != nil {
		return err
	}
	return b.untrackedPolicy(rule.Egress, chainHostOut)
}

// mangle renders policy before destination NAT, that for what processes of the host send behind it, and what fits connections to their path.
func (b *builder) mangle() error {
	b.clamp()
	if b.hosts.use(preDNAT) {
		b.pin(chainFinal, []string{branch{}.rule("", mark(own.AcceptMark)), branch{}.rule("", accept)})
		b.hook("PREROUTING", []string{
			branch{marked(own.AcceptMark)}.rule("", returns),
			branch{state("RELATED,ESTABLISHED")}.rule("", returns),
			branch{}.rule("", jump(chainHostArriving)),
		})
		tiers := func(e *desired.HostEndpoint) []desired.TierPolicies { return e.PreDNAT }
		failsafe := b.failsafe(rule.Ingress, rule.Ingress, "dport", returns)
		if err := b.hostChain(chainHostArriving, b.early(rule.Ingress, preDNAT, tiers, chainFinal, failsafe)); err != nil {
			return err
		}
	}
	if b.hosts.none() {
		return nil
	}
	b.hook("POSTROUTING", []string{
		out(workloads).rule("", returns),
		branch{marked(own.AcceptMark)}.rule("", returns),
		branch{state("DNAT"), module("-m addrtype --src-type LOCAL")}.rule("", jump(chainHostOut)),
	})
	return b.hostChain(chainHostOut, b.normal(rule.Egress, drop))
}

// filterHosts renders policy for processes of the host and for what it forwards. The chains that lead there are in frame.go.
func (b *builder) filterHosts() error {
	if b.hosts.none() {
		return nil
	}
	b.hook("OUTPUT", slices.Concat([]string{out(workloads).rule("", returns)}, b.toPeers(), []string{
		branch{marked(own.AcceptMark)}.rule("", accept),
		branch{state("DNAT")}.rule("", returns),
		branch{}.rule("", jump(chainHostOut)),
	}))
	for _, c := range []struct {
		name string
		sort hostSort
	}{
		{chainHostIn, b.normal(rule.Ingress, b.deny())}, {chainHostOut, b.normal(rule.Egress, b.deny())},
		{chainHostForwardIn, b.forward(rule.Ingress)}, {chainHostForwardOut, b.forward(rule.Egress)},
	} {
		if b.hosts.use(c.sort.has) {
			if err := b.hostChain(c.name, c.sort); err != nil {
				return err
			}
		}
	}
	return nil
}
