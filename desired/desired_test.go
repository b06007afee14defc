// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

func policyID(i int) rule.PolicyID {
	return rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: fmt.Sprint("p", i)}
}

func setID(i int) rule.SetID { return rule.SetID(fmt.Sprint("s", i)) }

func member(i int) desired.Member {
	return desired.Member{Prefix: desired.HostPrefix(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))}
}

// random returns a consistent state: each endpoint has a policy, each policy a set.
func random(r *rand.Rand) *desired.State {
	d := &desired.Delta{Revision: r.Uint64N(3)}
	for i := range 4 {
		if r.IntN(2) == 0 {
			continue
		}
		c := desired.IPSetChange{ID: setID(i), Created: true}
		for j := range 4 {
			if r.IntN(2) == 0 {
				c.Added = append(c.Added, member(j))
			}
		}
		match := rule.Match{Src: rule.Side{NotSets: []rule.Set{{ID: c.ID}}}, Protocol: uint8(r.IntN(2))}
		d.IPSets = append(d.IPSets, c)
		d.Policies = append(d.Policies, &desired.Policy{ID: policyID(i), Rules: [2][]rule.Rule{nil, {{Match: match}}}})
		d.Endpoints = append(d.Endpoints, &desired.Endpoint{ID: desired.EndpointID{Name: fmt.Sprint(i)}, Revision: r.Uint64N(2), Profiles: []rule.PolicyID{policyID(i)}})
		d.HostEndpoints = append(d.HostEndpoints, randomHost(r, i))
		d.Routes = append(d.Routes, desired.Route{Dst: member(i).Prefix, Interface: fmt.Sprint("cali", r.IntN(2))})
		tunnel := desired.Tunnel{Name: fmt.Sprint("vxlan", i), VNI: r.Uint32N(2)}
		peer := desired.TunnelPeer{ID: desired.TunnelPeerID{Tunnel: tunnel.Name, Node: fmt.Sprint("n", r.IntN(2))}, MAC: desired.MAC{byte(r.IntN(2))}}
		d.Tunnels, d.TunnelPeers = append(d.Tunnels, tunnel), append(d.TunnelPeers, peer)
	}
	if r.IntN(2) == 0 {
		d.Settings = desired.DefaultSettings()
		d.Settings.EndpointToHost = desired.HostAction(r.IntN(3))
	}
	if as := r.Uint32N(3); as > 0 {
		d.BGP = &desired.BGP{AS: as}
	}
	s := desired.NewState()
	if err := s.Apply(d); err != nil {
		panic(err)
	}
	return s
}

// randomHost returns a host endpoint with policy i in one of its lists.
func randomHost(r *rand.Rand, i int) *desired.HostEndpoint {
	e := &desired.HostEndpoint{ID: desired.EndpointID{Name: fmt.Sprint(i)}, Interface: fmt.Sprint("eth", r.IntN(2)), Revision: r.Uint64N(2)}
	tiers := []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{policyID(i)}}}
	switch d := r.IntN(2); r.IntN(5) {
	case 0:
		e.Untracked[d] = tiers
	case 1:
		e.PreDNAT = tiers
	case 2:
		e.Normal[d] = tiers
	case 3:
		e.Forward[d] = tiers
	default:
		e.Profiles = tiers[0].Policies
	}
	return e
}

func TestDiffLeadsFromOneStateToTheOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		a, b := random(r), random(r)
		from := desired.Snapshot(a)
		d := desired.Diff(a, b)
		if err := from.Apply(d); err != nil {
			t.Fatalf("apply %+v: %v", d, err)
		}
		if again := desired.Diff(from, b); again != nil {
			t.Fatalf("after the diff there is still %+v", again)
		}
		if !reflect.DeepEqual(from, b) && d != nil {
			t.Fatalf("diff is nil, but %+v is not %+v", from, b)
		}
	}
}

func TestApplyNamesWhatDoesNotFit(t *testing.T) {
	uses := func(set rule.SetID) *desired.Policy {
		return &desired.Policy{ID: policyID(1), Rules: [2][]rule.Rule{{{Match: rule.Match{Dst: rule.Side{PortSets: []rule.Set{{ID: set}}}}}}, nil}}
	}
	endpoint := &desired.Endpoint{ID: desired.EndpointID{Namespace: "ns", Name: "a"}}
	endpoint.Tiers[rule.Egress] = []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{policyID(1)}}}
	exposed := func(name string, port uint16, floating string) *desired.Endpoint {
		internal := netip.MustParseAddr("10.0.0.1")
		return &desired.Endpoint{
			ID: desired.EndpointID{Namespace: "ns", Name: name}, FloatingIPs: []desired.FloatingIP{{External: netip.MustParseAddr(floating), Internal: internal}},
			HostPorts: []desired.HostPort{{Protocol: 6, Port: port, To: netip.AddrPortFrom(internal, 80)}},
		}
	}
	s1 := desired.IPSetChange{ID: "s1", Created: true, Added: []desired.Member{member(1)}}
	host := func(edit func(*desired.HostEndpoint)) *desired.Delta {
		e := &desired.HostEndpoint{ID: desired.EndpointID{Name: "h"}}
		edit(e)
		return &desired.Delta{HostEndpoints: []*desired.HostEndpoint{e}}
	}
	tiers := endpoint.Tiers[rule.Egress]
	base := []*desired.Delta{{IPSets: []desired.IPSetChange{s1}, Policies: []*desired.Policy{uses("s1")}, Endpoints: []*desired.Endpoint{endpoint}}}
	cases := map[string]struct {
		deltas []*desired.Delta
		want   string
	}{
		"set created twice":              {append(base, &desired.Delta{IPSets: []desired.IPSetChange{s1}}), "created a second time"},
		"set changed before creation":    {[]*desired.Delta{{IPSets: []desired.IPSetChange{{ID: "s1"}}}}, "changed and not there"},
		"member twice":                   {append(base, &desired.Delta{IPSets: []desired.IPSetChange{{ID: "s1", Added: s1.Added}}}), "added a second time"},
		"member not there":               {append(base, &desired.Delta{IPSets: []desired.IPSetChange{{ID: "s1", Removed: []desired.Member{member(2)}}}}), "removed and not there"},
		"set missing":                    {[]*desired.Delta{{Policies: []*desired.Policy{uses("s1")}}}, "refers to IP set s1"},
		"set in use removed":             {append(base, &desired.Delta{IPSetsRemoved: []rule.SetID{"s1"}}), "refers to IP set s1"},
		"policy missing":                 {[]*desired.Delta{{Endpoints: []*desired.Endpoint{endpoint}}}, "endpoint ns/a refers to policy"},
		"policy in use removed":          {append(base, &desired.Delta{PoliciesRemoved: []rule.PolicyID{policyID(1)}}), "endpoint ns/a refers to policy"},
		"staged policy missing":          {[]*desired.Delta{{Endpoints: []*desired.Endpoint{{ID: endpoint.ID, Staged: &endpoint.Tiers}}}}, "endpoint ns/a refers to policy"},
		"host policy missing, untracked": {[]*desired.Delta{host(func(e *desired.HostEndpoint) { e.Untracked[rule.Egress] = tiers })}, "host endpoint h refers to policy"},
		"host policy missing, preDNAT":   {[]*desired.Delta{host(func(e *desired.HostEndpoint) { e.PreDNAT = tiers })}, "host endpoint h refers to policy"},
		"host policy missing, normal":    {[]*desired.Delta{host(func(e *desired.HostEndpoint) { e.Normal[rule.Ingress] = tiers })}, "host endpoint h refers to policy"},
		"host policy missing, forward":   {[]*desired.Delta{host(func(e *desired.HostEndpoint) { e.Forward[rule.Ingress] = tiers })}, "host endpoint h refers to policy"},
		"host profile missing":           {[]*desired.Delta{host(func(e *desired.HostEndpoint) { e.Profiles = tiers[0].Policies })}, "host endpoint h refers to policy"},
		"unknown host endpoint removed":  {[]*desired.Delta{{HostEndpointsRemoved: []desired.EndpointID{{Name: "h"}}}}, "host endpoint /h"},
		"unknown route removed":          {[]*desired.Delta{{RoutesRemoved: []netip.Prefix{member(1).Prefix}}}, "route 10.0.0.1/32"},
		"tunnel of a peer missing":       {[]*desired.Delta{{TunnelPeers: []desired.TunnelPeer{{ID: desired.TunnelPeerID{Tunnel: "t", Node: "n"}}}}}, "n on t refers to a tunnel"},
		"tunnel of a route missing":      {[]*desired.Delta{{Routes: []desired.Route{{Dst: member(1).Prefix, Kind: desired.RouteTunnel, Interface: "t"}}}}, "refers to tunnel t"},
		"floating IP twice":              {[]*desired.Delta{{Endpoints: []*desired.Endpoint{exposed("a", 1, "192.0.2.1"), exposed("b", 2, "192.0.2.1")}}}, "ns/a and ns/b both have 192.0.2.1"},
		"host port twice":                {[]*desired.Delta{{Endpoints: []*desired.Endpoint{exposed("a", 1, "192.0.2.1"), exposed("b", 1, "192.0.2.2")}}}, "ns/a and ns/b both have TCP 1"},
		"BGP removed twice":              {[]*desired.Delta{{BGPRemoved: true}}, "BGP is removed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := desired.NewState()
			for i, d := range c.deltas {
				err := s.Apply(d)
				if last := i == len(c.deltas)-1; !last && err != nil {
					t.Fatal(err)
				} else if last && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Fatalf("error %v, want one with %q", err, c.want)
				}
			}
		})
	}
}
