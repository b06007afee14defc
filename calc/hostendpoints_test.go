// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

func hostEndpoint(name, link string, addrs ...string) *v3.HostEndpoint {
	h := ct.HostEndpoint(name, ct.Me, ct.Labels{"role": "host"}, addrs...)
	h.Spec.InterfaceName = link
	return h
}

// hostPolicy selects host endpoints; it governs both directions unless it is for preDNAT.
func hostPolicy(name string, noTrack, preDNAT, forward bool) *v3.GlobalNetworkPolicy {
	return ct.GlobalPolicy(name, func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector, s.DoNotTrack, s.PreDNAT, s.ApplyOnForward = "role == 'host' || app == 'db'", &noTrack, &preDNAT, &forward
		s.Types = []v3.PolicyType{v3.Ingress, v3.Egress}
		if preDNAT {
			s.Types = s.Types[:1]
		}
	})
}

func lists(tiers ...[]desired.TierPolicies) string {
	var names []string
	for _, list := range tiers {
		var part []string
		for _, t := range list {
			for _, id := range t.Policies {
				part = append(part, id.Name)
			}
		}
		names = append(names, strings.Join(part, ","))
	}
	return strings.Join(names, "|")
}

// TestWherePoliciesApply holds the lists of a host endpoint, and of a workload that the same policies select, against the documented table.
func TestWherePoliciesApply(t *testing.T) {
	all := []api.Object{hostPolicy("plain", false, false, false), hostPolicy("forward", false, false, true), hostPolicy("raw", true, false, true), hostPolicy("nat", false, true, true)}
	g := apply(append(append(base(), all...), hostEndpoint("h", "eth0"), hostEndpoint("any", "*"))...)
	find := func(name string) *desired.HostEndpoint {
		e, ok := g.View().HostEndpoint(desired.EndpointID{Name: name})
		if !ok {
			t.Fatalf("no host endpoint %s", name)
		}
		return e
	}
	for name, want := range map[string]string{"h": "raw|raw|nat|forward,plain|forward,plain|forward|forward", "any": "||nat|forward,plain|forward,plain|forward|forward"} {
		e := find(name)
		got := lists(e.Untracked[rule.Ingress], e.Untracked[rule.Egress], e.PreDNAT, e.Normal[rule.Ingress], e.Normal[rule.Egress], e.Forward[rule.Ingress], e.Forward[rule.Egress])
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	w, _ := g.View().Endpoint(desired.EndpointID{Namespace: "prod", Name: ct.Endpoint("prod/db", ct.Me, nil).Name})
	if got := lists(w.Tiers[rule.Ingress], w.Tiers[rule.Egress]); got != "forward,plain|forward,plain" {
		t.Errorf("workload: %s", got)
	}
	expect(t, g, []string{"globalnetworkpolicies.projectcalico.org raw spec.doNotTrack: selects host endpoint any"})
}

func TestHostEndpointIsChosenByAddress(t *testing.T) {
	g := apply(hostEndpoint("h", "", "192.0.2.1", "2001:db8::1"))
	interfaces := func() string {
		var out []string
		for e := range g.View().HostEndpoints() {
			out = append(out, e.ID.Name+"="+e.Interface)
		}
		return strings.Join(out, " ")
	}
	links := func(v4, v6 string) []calc.Link {
		return []calc.Link{{Name: v4, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, {Name: v6, Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}}
	}
	expect(t, g, []string{"h spec.expectedIPs: no interface of the node has one of these addresses"})
	for _, step := range []struct {
		links []calc.Link // the name of one may come twice
		want  string
	}{
		{links("eth0", "lo"), "h=eth0 h/lo=lo"}, {links("eth1", "eth0"), "h=eth0 h/eth1=eth1"}, {links("eth1", "eth0")[:1], "h=eth1"}, {nil, ""}, {links("eth0", "eth0"), "h=eth0"},
	} {
		g.SetLinks(step.links)
		g.Flush()
		if got := interfaces(); got != step.want {
			t.Errorf("%v: %s, want %s", step.links, got, step.want)
		}
	}
	g.SetLinks(links("eth0", "eth0"))
	if d := g.Flush(); d != nil {
		t.Errorf("the same interfaces again: %s", ct.Describe(d))
	}
	moved := hostEndpoint("h", "", "192.0.2.1")
	moved.Spec.Node = "n2"
	g.Apply(changes(moved))
	if d := g.Flush(); d == nil || fmt.Sprint(d.HostEndpointsRemoved) != "[/h]" {
		t.Errorf("moved to another node: %s", ct.Describe(d))
	}
}

func TestTwoHostEndpointsForOneInterface(t *testing.T) {
	a, b, byAddr := hostEndpoint("b", "eth0"), hostEndpoint("c", "eth0"), hostEndpoint("a", "", "192.0.2.1")
	g := apply(a, b, byAddr)
	g.SetLinks([]calc.Link{{Name: "eth0", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
	g.Flush()
	for _, step := range []struct {
		winner  string
		problem []string
		gone    api.Object
	}{
		{"b", []string{"a spec.expectedIPs: host endpoint b, which goes before it", "c spec.interfaceName: host endpoint b, which goes before it"}, a},
		{"c", []string{"a spec.expectedIPs: host endpoint c, which goes before it"}, b},
		{"a", nil, byAddr},
	} {
		var have []string
		for e := range g.View().HostEndpoints() {
			have = append(have, e.ID.Name)
		}
		if fmt.Sprint(have) != "["+step.winner+"]" {
			t.Errorf("in force %v, want %s", have, step.winner)
		}
		expect(t, g, step.problem)
		g.Apply(deletions(step.gone))
		g.Flush()
	}
	expect(t, g, nil)
}

// TestHostEndpointsBelongToNoNamespace checks that a label cannot make a host endpoint a peer or target of a namespace's policies.
func TestHostEndpointsBelongToNoNamespace(t *testing.T) {
	h := hostEndpoint("h", "eth0", "192.0.2.1")
	h.Labels[v3.NamespaceLabel] = "prod"
	g := apply(append(base(), h, guard("role == 'host'"))...)
	e, _ := g.View().HostEndpoint(desired.EndpointID{Name: "h"})
	if e == nil || lists(e.Normal[rule.Ingress]) != "" {
		t.Errorf("policy of a namespace in front of %+v", e)
	}
	for set := range g.View().IPSets() {
		if len(set.Members) > 0 {
			t.Errorf("set %s: %v", set.ID, set.Members)
		}
	}
}

// TestNeededOnEveryNode checks that a policy with the hint is ready without an endpoint, with its IP sets, as long as its tier exists.
func TestNeededOnEveryNode(t *testing.T) {
	hinted := ct.Policy("prod/hinted", func(s *v3.NetworkPolicySpec) {
		s.Tier, s.Selector, s.PerformanceHints = "t", "app == 'nobody'", []string{v3.AssumeNeededOnEveryNode}
		s.Ingress = []v3.Rule{ct.From(v3.Allow, "app == 'db'")}
	})
	tier := ct.Tier("t", 1, v3.Pass)
	g := apply(append(base(), hinted)...)
	ready := func() bool {
		_, ok := g.View().Policy(rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "prod", Name: "hinted"})
		sets := 0
		for set := range g.View().IPSets() {
			sets += len(set.Members)
		}
		if ok != (sets == 1) {
			t.Errorf("policy ready %t, members of its sets %d", ok, sets)
		}
		return ok
	}
	if ready() {
		t.Error("ready without its tier")
	}
	g.Apply(changes(tier))
	g.Flush()
	if !ready() {
		t.Error("not ready")
	}
	g.Apply(deletions(hinted))
	g.Flush()
	if ready() {
		t.Error("ready after it was deleted")
	}
}
