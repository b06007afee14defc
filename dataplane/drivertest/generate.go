// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// generator makes random states and packets from small ranges of values, so that they meet.
type generator struct {
	rnd *rand.Rand
	// hostEndpoints tells whether states have them.
	hostEndpoints bool

	ports uint16
	nets  []rule.Set
	named []rule.Set
	hosts rule.Set
}

func newGenerator(seed uint64, hostEndpoints bool) *generator {
	return &generator{rnd: rand.New(rand.NewPCG(seed, 0)), hostEndpoints: hostEndpoints}
}

func (g *generator) one(n int) bool { return g.rnd.IntN(n) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.rnd.IntN(len(from))] }

// some returns up to n values of a generator.
func some[T any](g *generator, n int, make func() T) []T {
	var out []T
	for range 1 + g.rnd.IntN(n) {
		out = append(out, make())
	}
	return out
}

// addr is the address of a workload or of one of a few others.
func (g *generator) addr(v6 bool) netip.Addr {
	i := 1 + g.rnd.IntN(Workloads+4)
	switch {
	case i <= Workloads:
		return WorkloadAddr(i, v6)
	case i == Workloads+4: // behind dmz0
		return map[bool]netip.Addr{false: netip.MustParseAddr("203.0.113.20"), true: netip.MustParseAddr("2001:db8:1::20")}[v6]
	case v6:
		return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i))
	}
	return netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i))
}

func hostAddr(v6 bool) netip.Addr {
	if v6 {
		return hostAddrs[1]
	}
	return hostAddrs[0]
}

func (g *generator) prefix() netip.Prefix {
	v6 := g.one(2)
	a := g.addr(v6)
	if g.one(6) {
		a = hostAddr(v6)
	}
	shorter := pick(g, 0, 0, 1, 2, 8, 24)
	if g.one(15) {
		shorter = a.BitLen()
	}
	return netip.PrefixFrom(a, a.BitLen()-shorter).Masked()
}

func (g *generator) port() uint16    { return pick[uint16](g, 80, 81, 443, 5432) }
func (g *generator) srcPort() uint16 { return pick[uint16](g, 1000, 1001) }

func (g *generator) portRange(port func() uint16) rule.PortRange {
	r := rule.PortRange{Min: port()}
	r.Max = r.Min
	if g.one(3) {
		r.Max += uint16(g.rnd.IntN(400))
	}
	return r
}

func (g *generator) state(t testing.TB) *desired.State {
	t.Helper()
	var d desired.Delta
	g.sets(&d)
	var ids []rule.PolicyID
	for i := range 1 + g.rnd.IntN(5) {
		id := rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "ns", Name: fmt.Sprintf("p%d", i)}
		ids = append(ids, id)
		d.Policies = append(d.Policies, &desired.Policy{ID: id, Rules: [2][]rule.Rule{g.rules(id, 0), g.rules(id, 1)}})
	}
	for i := range g.rnd.IntN(4) {
		id := rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "ns", Name: fmt.Sprintf("peers%d", i)}
		ids = append(ids, id)
		d.Policies = append(d.Policies, &desired.Policy{ID: id, Rules: [2][]rule.Rule{g.peerRules(id, 0), g.peerRules(id, 1)}})
	}
	for i := range g.rnd.IntN(4) {
		id := rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "ns", Name: fmt.Sprintf("ports%d", i)}
		ids = append(ids, id)
		d.Policies = append(d.Policies, &desired.Policy{ID: id, Rules: [2][]rule.Rule{g.portRules(id, 0), g.portRules(id, 1)}})
	}
	profiles := []rule.PolicyID{{Kind: rule.KindProfile, Name: "a"}, {Kind: rule.KindProfile, Name: "b"}}
	for _, id := range profiles {
		p := &desired.Policy{ID: id, Rules: [2][]rule.Rule{g.rules(id, 0), g.rules(id, 1)}}
		for dir := range p.Rules {
			p.Rules[dir] = append(p.Rules[dir], rule.Rule{ID: ruleID(id, dir, 99), Action: rule.Allow, Index: 99})
		}
		d.Policies = append(d.Policies, p)
	}
	for i := 1; i <= Workloads; i++ {
		if !g.one(6) {
			d.Endpoints = append(d.Endpoints, g.endpoint(i, ids, profiles))
		}
	}
	d.Settings = g.settings()
	if g.hostEndpoints {
		d.HostEndpoints = g.hostEndpointsOf(ids, profiles)
	}
	s := desired.NewState()
	must(t, s.Apply(&d))
	must(t, s.Check())
	return s
}

func (g *generator) sets(d *desired.Delta) {
	g.nets, g.named = nil, nil
	hosts := desired.IPSetChange{ID: "hosts", Created: true}
	for i := range Workloads {
		if g.one(2) {
			hosts.Added = append(hosts.Added, desired.Member{Prefix: desired.HostPrefix(WorkloadAddr(i+1, false))})
		}
		if g.one(2) {
			hosts.Added = append(hosts.Added, desired.Member{Prefix: desired.HostPrefix(WorkloadAddr(i+1, true))})
		}
	}
	g.hosts = rule.Set{ID: hosts.ID}
	d.IPSets = append(d.IPSets, hosts)
	for i := range 3 {
		c := desired.IPSetChange{ID: rule.SetID(fmt.Sprintf("net%d", i)), Kind: rule.SetNet, Created: true}
		members := map[desired.Member]bool{}
		for range g.rnd.IntN(5) {
			p := g.prefix()
			if g.one(2) {
				p = netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
			}
			members[desired.Member{Prefix: p}] = true
		}
		for m := range members {
			c.Added = append(c.Added, m)
		}
		d.IPSets = append(d.IPSets, c)
		g.nets = append(g.nets, rule.Set{ID: c.ID, Kind: c.Kind})
	}
	c := desired.IPSetChange{ID: "named", Kind: rule.SetPort, Created: true}
	members := map[desired.Member]bool{}
	for range 6 {
		a := g.addr(g.one(2))
		members[desired.Member{Prefix: netip.PrefixFrom(a, a.BitLen()), Protocol: pick[uint8](g, protoTCP, protoUDP, protoSCTP), Port: g.port()}] = true
	}
	for m := range members {
		c.Added = append(c.Added, m)
	}
	d.IPSets = append(d.IPSets, c)
	g.named = []rule.Set{{ID: c.ID, Kind: c.Kind}}
}

func (g *generator) endpoint(i int, ids, profiles []rule.PolicyID) *desired.Endpoint {
	e := &desired.Endpoint{ID: desired.EndpointID{Namespace: "ns", Name: Workload(i)}, Interface: Workload(i), Addrs: []netip.Addr{WorkloadAddr(i, false)}}
	if !g.one(5) {
		e.Addrs = append(e.Addrs, WorkloadAddr(i, true))
	}
	if g.one(4) {
		e.SpoofPrefixes = []netip.Prefix{g.prefix(), g.prefix()}
	}
	for dir := range e.Tiers {
		e.Tiers[dir] = g.tiers(ids)
	}
	e.Profiles = profiles[:g.rnd.IntN(3)]
	return e
}

func (g *generator) tiers(ids []rule.PolicyID) []desired.TierPolicies {
	var out []desired.TierPolicies
	for n := range g.rnd.IntN(3) {
		var in []rule.PolicyID
		for _, id := range ids {
			if g.one(2) {
				in = append(in, id)
			}
		}
		if len(in) > 0 {
			out = append(out, desired.TierPolicies{Tier: fmt.Sprintf("t%d", n), Policies: in, DefaultAction: pick(g, rule.Deny, rule.Pass, rule.Pass)})
		}
	}
	return out
}

func ruleID(id rule.PolicyID, dir, i int) rule.ID {
	return rule.ID(fmt.Sprintf("%s%d%d", id.Name, dir, i))
}

func (g *generator) rules(id rule.PolicyID, dir int) []rule.Rule {
	var out []rule.Rule
	for i := range g.rnd.IntN(5) {
		out = append(out, rule.Rule{ID: ruleID(id, dir, i), Index: i, Action: pick(g, rule.Allow, rule.Allow, rule.Allow, rule.Deny, rule.Pass, rule.Log), Match: g.match()})
	}
	return out
}

// peerRules are rules that all name their peers by sets of hosts.
func (g *generator) peerRules(id rule.PolicyID, dir int) []rule.Rule {
	rules := g.rules(id, dir)
	for i := range rules {
		peer := &rules[i].Match.Src
		if dir == int(rule.Egress) {
			peer = &rules[i].Match.Dst
		}
		peer.Sets = []rule.Set{g.hosts}
		switch g.rnd.IntN(4) {
		case 0:
			peer.Sets = []rule.Set{pick(g, g.nets...)}
		case 1:
			peer.Sets = append(peer.Sets, pick(g, g.nets...))
		}
	}
	return rules
}

// portRules are rules that all name destination ports, and allow or deny.
func (g *generator) portRules(id rule.PolicyID, dir int) []rule.Rule {
	rules := g.rules(id, dir)
	for i := range rules {
		r := &rules[i]
		r.Action = pick(g, rule.Allow, rule.Allow, rule.Deny)
		m := &r.Match
		m.Protocol, m.ICMP, m.NotICMP = pick[uint8](g, protoTCP, protoUDP, protoSCTP), nil, nil
		m.Dst.Ports, m.Dst.PortSets = some(g, 2, func() rule.PortRange { p := g.port(); return rule.PortRange{Min: p, Max: p} }), nil
	}
	return rules
}

func (g *generator) match() rule.Match {
	m := rule.Match{Protocol: pick[uint8](g, 0, 0, 0, 0, protoTCP, protoUDP, protoSCTP, protoICMP, protoICMPv6)}
	if g.one(12) {
		m.Protocol = pick[uint8](g, protoOther, protoUDPLite)
	}
	if g.one(8) {
		m.IPVersion = pick[uint8](g, 4, 6)
	}
	if g.one(8) {
		m.NotProtocol = pick[uint8](g, protoTCP, protoUDP, protoICMP, protoSCTP, protoUDPLite)
	}
	switch m.Protocol {
	case protoICMP, protoICMPv6:
		if g.one(2) {
			m.ICMP = g.icmp()
		}
		if g.one(3) {
			m.NotICMP = g.icmp()
		}
	case protoTCP, protoUDP, protoSCTP:
		g.portMatch(&m.Src, g.srcPort, 4)
		g.portMatch(&m.Dst, g.port, 2)
	}
	if m.Protocol == 0 && g.one(12) { // a service: members of several protocols
		m.Dst.PortSets = g.named
	}
	g.sideMatch(&m.Src)
	g.sideMatch(&m.Dst)
	return m
}

func (g *generator) icmp() *rule.ICMP {
	return &rule.ICMP{Type: pick[uint8](g, 8, 13, 128, 139), HasCode: g.one(2), Code: uint8(g.rnd.IntN(2))}
}

func (g *generator) portMatch(s *rule.Side, port func() uint16, rarity int) {
	ranges := func() rule.PortRange { return g.portRange(port) }
	if g.one(rarity) {
		s.Ports = some(g, 3, ranges)
	}
	if g.one(2 * rarity) {
		s.NotPorts = some(g, 2, ranges)
	}
	if g.one(2 * rarity) {
		s.PortSets = g.named
	}
	if g.one(3 * rarity) {
		s.NotPortSets = g.named
	}
}

func (g *generator) sideMatch(s *rule.Side) {
	set := func() rule.Set { return pick(g, g.nets...) }
	if g.one(5) {
		s.Nets = some(g, 3, g.prefix)
	}
	if g.one(6) {
		s.NotNets = some(g, 3, g.prefix)
	}
	if g.one(4) {
		s.Sets = some(g, 2, set)
	}
	if g.one(6) {
		s.NotSets = some(g, 2, set)
	}
}
