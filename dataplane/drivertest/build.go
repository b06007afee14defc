// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Apply programs a state and fails the test if the driver cannot.
func Apply(t testing.TB, d dataplane.Driver, view desired.View, delta *desired.Delta) dataplane.Report {
	t.Helper()
	r, err := d.Apply(t.Context(), view, delta)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return r
}

// Build is a desired state in the making: Delta creates it.
type Build struct {
	Delta desired.Delta
	seq   int
}

// State returns what has been added. It must be complete: policies and sets that are referred to, above all.
func (b *Build) State(t testing.TB) *desired.State {
	t.Helper()
	s := desired.NewState()
	if err := s.Apply(&b.Delta); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Set adds an IP set, of ports if a member has one. Members are written "10.0.0.1", "10.0.0.0/8" or "10.0.0.1 6 80".
func (b *Build) Set(id string, members ...string) rule.Set {
	c := desired.IPSetChange{ID: rule.SetID(id), Created: true}
	for _, m := range members {
		member := ParseMember(m)
		if member.Protocol != 0 {
			c.Kind = rule.SetPort
		}
		if !slices.Contains(c.Added, member) {
			c.Added = append(c.Added, member)
		}
	}
	b.Delta.IPSets = append(b.Delta.IPSets, c)
	return rule.Set{ID: c.ID, Kind: c.Kind}
}

// ParseMember reads a member as Set takes it.
func ParseMember(s string) desired.Member {
	parts := strings.Fields(s)
	m := desired.Member{Prefix: Prefix(parts[0])}
	if len(parts) == 3 {
		if _, err := fmt.Sscan(parts[1]+" "+parts[2], &m.Protocol, &m.Port); err != nil {
			panic(err)
		}
	}
	return m
}

// Prefix reads a CIDR, or an address as the CIDR of a host.
func Prefix(s string) netip.Prefix {
	if !strings.Contains(s, "/") {
		return desired.HostPrefix(netip.MustParseAddr(s))
	}
	return netip.MustParsePrefix(s)
}

// Prefixes reads several.
func Prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, x := range s {
		out = append(out, Prefix(x))
	}
	return out
}

// NetworkPolicy is the identity of a policy in namespace default.
func NetworkPolicy(name string) rule.PolicyID {
	return rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "default", Name: name}
}

// Profile is the identity of a profile.
func Profile(name string) rule.PolicyID { return rule.PolicyID{Kind: rule.KindProfile, Name: name} }

// Policy adds a policy; nil rules mean none in the direction.
func (b *Build) Policy(id rule.PolicyID, ingress, egress []rule.Rule) rule.PolicyID {
	p := &desired.Policy{ID: id, Rules: [2][]rule.Rule{ingress, egress}}
	for dir := range p.Rules {
		for i := range p.Rules[dir] {
			b.seq++
			r := &p.Rules[dir][i]
			r.Index = i
			r.ID = cmp.Or(r.ID, rule.ID(fmt.Sprintf("%016x", b.seq)))
		}
	}
	b.Delta.Policies = append(b.Delta.Policies, p)
	return id
}

// Endpoint adds a workload with the same tiers in both directions.
func (b *Build) Endpoint(iface string, tiers []desired.TierPolicies, profiles []rule.PolicyID, addrs ...string) *desired.Endpoint {
	e := &desired.Endpoint{ID: EndpointID(iface), Interface: iface, Tiers: [2][]desired.TierPolicies{tiers, tiers}, Profiles: profiles}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
	}
	b.Delta.Endpoints = append(b.Delta.Endpoints, e)
	return e
}

// Host adds a host endpoint without policy.
func (b *Build) Host(iface string) *desired.HostEndpoint {
	e := &desired.HostEndpoint{ID: desired.EndpointID{Name: "host-" + strings.ReplaceAll(iface, "*", "any")}, Interface: iface}
	b.Delta.HostEndpoints = append(b.Delta.HostEndpoints, e)
	return e
}

// EndpointID is the identity of the workload at an interface.
func EndpointID(iface string) desired.EndpointID {
	return desired.EndpointID{Namespace: "default", Name: "node-k8s-" + iface + "-eth0"}
}

// Tier is policies of a tier in their order.
func Tier(name string, action rule.Action, policies ...rule.PolicyID) desired.TierPolicies {
	return desired.TierPolicies{Tier: name, DefaultAction: action, Policies: policies}
}

// AllowRule allows what matches.
func AllowRule(m rule.Match) rule.Rule { return rule.Rule{Action: rule.Allow, Match: m} }

// DenyRule denies what matches.
func DenyRule(m rule.Match) rule.Rule { return rule.Rule{Action: rule.Deny, Match: m} }

// Ports are ranges of one port each.
func Ports(p ...uint16) []rule.PortRange {
	var out []rule.PortRange
	for _, x := range p {
		out = append(out, rule.PortRange{Min: x, Max: x})
	}
	return out
}
