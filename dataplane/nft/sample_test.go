// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// sample is a state in which every kind of match, set and action occurs.
func sample(t testing.TB) *desired.State {
	t.Helper()
	var b build
	hosts := b.Set("hosts", "10.65.0.1", "10.65.0.2", "fd00::1")
	mixed := b.Set("mixed", "10.65.0.9", "192.0.2.0/24", "192.0.2.128/25", "203.0.113.0/25", "fd01::/64")
	web := b.Set("web", "10.65.0.1 6 8080", "fd00::1 6 8080", "10.65.0.2 17 53")

	sources := b.Policy(np("sources"), []rule.Rule{
		allow(rule.Match{Protocol: 6, Src: rule.Side{Sets: []rule.Set{hosts}}, Dst: rule.Side{Ports: ports(5432)}}),
		allow(rule.Match{Protocol: 6, Src: rule.Side{Sets: []rule.Set{hosts, mixed}}}),
		deny(rule.Match{Src: rule.Side{NotSets: []rule.Set{mixed}}, Protocol: 17}),
		{Action: rule.Log, Text: "log the \"rest\""},
	}, []rule.Rule{
		allow(rule.Match{Dst: rule.Side{Sets: []rule.Set{mixed}, NotPorts: ports(22)}, Protocol: 6}),
	})
	nets := b.Policy(np("nets"), []rule.Rule{
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.0.0.0/8")}}),
		allow(rule.Match{Src: rule.Side{Nets: prefixes("172.16.0.0/12")}}),
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.1.0.0/16", "192.168.0.0/16", "2001:db8::/32")}}),
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.9.9.9", "10.9.9.8", "::/0")}}),
		deny(rule.Match{Src: rule.Side{NotNets: prefixes("0.0.0.0/0", "2001:db8::/61")}}),
		deny(rule.Match{Dst: rule.Side{NotNets: prefixes("224.0.0.0/3", "10.0.0.0/9", "fd00::/8")}}),
	}, nil)
	portRules := b.Policy(np("ports"), []rule.Rule{
		allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80, 443)}}),
		allow(rule.Match{Protocol: 17, Dst: rule.Side{Ports: []rule.PortRange{{Min: 1000, Max: 2000}}}}),
		allow(rule.Match{Protocol: 132, Dst: rule.Side{Ports: []rule.PortRange{{Min: 1, Max: 9}, {Min: 20, Max: 20}, {Min: 60000, Max: 65535}}}}),
		allow(rule.Match{Protocol: 6, Src: rule.Side{NotPorts: []rule.PortRange{{Min: 5, Max: 6}}}, Dst: rule.Side{NotPorts: ports(1, 9)}}),
		allow(rule.Match{Dst: rule.Side{Ports: ports(53), PortSets: []rule.Set{web}}}),
		deny(rule.Match{Protocol: 6, Dst: rule.Side{NotPortSets: []rule.Set{web}}}),
	}, []rule.Rule{
		allow(rule.Match{NotProtocol: 17, IPVersion: 6}),
		deny(rule.Match{NotProtocol: 6, IPVersion: 4}),
	})
	icmp := b.Policy(np("icmp"), []rule.Rule{
		allow(rule.Match{Protocol: 1, IPVersion: 4, ICMP: &rule.ICMP{Type: 8}}),
		allow(rule.Match{Protocol: 58, IPVersion: 6, ICMP: &rule.ICMP{Type: 128, HasCode: true}}),
		deny(rule.Match{Protocol: 1, NotICMP: &rule.ICMP{Type: 3, HasCode: true, Code: 4}}),
		deny(rule.Match{Protocol: 58, NotICMP: &rule.ICMP{Type: 2}}),
	}, nil)
	gate := b.Policy(rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: "security.gate"}, []rule.Rule{
		deny(rule.Match{Src: rule.Side{Sets: []rule.Set{mixed}}}),
		{Action: rule.Pass, Match: rule.Match{Protocol: 6}},
	}, []rule.Rule{{Action: rule.Pass}})
	empty := b.Policy(np("empty"), nil, nil)
	odd := b.Policy(rule.PolicyID{Kind: rule.KindKubeNetworkPolicy, Namespace: "default", Name: "odd name"}, []rule.Rule{allow(rule.Match{})}, nil)
	open := b.Policy(profile("kns.default"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})

	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, sources, nets, portRules, icmp, empty, odd)}, []rule.PolicyID{open}, "10.65.0.1", "fd00::1")
	twin := b.Endpoint("cali2", []desired.TierPolicies{tier("default", rule.Deny, sources, nets, portRules, icmp, empty, odd)}, []rule.PolicyID{open}, "10.65.0.2")
	twin.SpoofPrefixes = prefixes("10.66.0.0/16", "10.66.1.0/24", "10.67.0.1", "fd02::/64")
	b.Endpoint("cali3", []desired.TierPolicies{tier("security", rule.Deny, gate), tier("late", rule.Pass, icmp), tier("default", rule.Pass, nets)}, []rule.PolicyID{open}, "10.65.0.3")
	b.Endpoint("cali4", nil, []rule.PolicyID{open}, "fd00::4")
	b.Endpoint("cali5", nil, nil, "10.65.0.5")
	more := b.Set("more", "10.65.0.2", "10.65.0.7")
	first := b.Policy(np("peers1"), []rule.Rule{
		deny(rule.Match{Protocol: 17, Src: rule.Side{Sets: []rule.Set{hosts}}}),
		allow(rule.Match{Src: rule.Side{Sets: []rule.Set{hosts}}}),
	}, nil)
	second := b.Policy(np("peers2"), []rule.Rule{allow(rule.Match{Src: rule.Side{Sets: []rule.Set{more}}})}, nil)
	third := b.Policy(np("peers3"), []rule.Rule{allow(rule.Match{Src: rule.Side{Sets: []rule.Set{mixed}}})}, nil)
	merged := []desired.TierPolicies{tier("default", rule.Pass, b.Policy(np("values1"), []rule.Rule{
		allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80, 443)}}),
		deny(rule.Match{Protocol: 6, Dst: rule.Side{Ports: []rule.PortRange{{Min: 79, Max: 81}}}}),
	}, []rule.Rule{allow(rule.Match{Protocol: 1}), allow(rule.Match{Protocol: 6}), deny(rule.Match{Protocol: 17})}), b.Policy(np("values2"), []rule.Rule{
		allow(rule.Match{Dst: rule.Side{Ports: ports(53)}}),
	}, []rule.Rule{
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.0.0.1", "fd00::1")}, Protocol: 6}),
		deny(rule.Match{Src: rule.Side{Nets: prefixes("10.0.0.2", "10.0.0.1", "fd00::2")}, Protocol: 6}),
		deny(rule.Match{Src: rule.Side{Nets: prefixes("10.0.0.3")}, Protocol: 17}),
	}))}
	b.Endpoint("cali7", merged, []rule.PolicyID{open}, "10.65.0.17", "fd00::7")
	b.Endpoint("cali6", []desired.TierPolicies{tier("default", rule.Deny, first, second, third)}, nil, "10.65.0.6", "fd00::6")
	return b.State(t)
}

// hosts is a state with host endpoints that have policy of every sort.
func hosts(t testing.TB) *desired.State {
	t.Helper()
	var b build
	set := b.Set("admins", "192.0.2.1", "2001:db8::1")
	tcp := func(port uint16, action rule.Action) rule.Rule {
		return rule.Rule{Action: action, Match: rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(port)}}}
	}
	both := func(name string, rules ...rule.Rule) []desired.TierPolicies {
		other := slices.Clone(rules)
		return []desired.TierPolicies{tier(name, rule.Deny, b.Policy(np(name), rules, other))}
	}
	raw := both("raw", tcp(1, rule.Allow), tcp(2, rule.Deny), tcp(3, rule.Pass))
	early := both("early", tcp(11, rule.Allow), tcp(12, rule.Deny))
	normal := both("normal", tcp(21, rule.Allow), allow(rule.Match{Src: rule.Side{Sets: []rule.Set{set}}}))
	forward := both("forward", tcp(31, rule.Allow), tcp(32, rule.Deny))
	open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})

	eth0 := b.Host("eth0")
	eth0.Untracked, eth0.PreDNAT = [2][]desired.TierPolicies{raw, raw}, early
	eth0.Normal, eth0.Forward = [2][]desired.TierPolicies{normal, normal}, [2][]desired.TierPolicies{forward, forward}
	b.Host("eth1").Profiles = []rule.PolicyID{open}
	any := b.Host(desired.AnyInterface)
	any.PreDNAT, any.Normal, any.Forward = early, [2][]desired.TierPolicies{normal, nil}, [2][]desired.TierPolicies{nil, forward}
	any.Profiles = []rule.PolicyID{open}
	b.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.65.0.1", "fd00:65::1")
	s := desired.DefaultSettings()
	s.EndpointToHost = desired.HostReturn
	s.Failsafe[rule.Ingress] = append(s.Failsafe[rule.Ingress], desired.Failsafe{Protocol: 6, Port: 2222, Net: prefix("192.0.2.0/24")})
	s.Failsafe[rule.Egress] = append(s.Failsafe[rule.Egress], desired.Failsafe{Protocol: 132, Port: 2905, Net: prefix("2001:db8::/32")})
	b.Delta.Settings = s
	return b.State(t)
}

// translations is a state in which addresses of every sort are translated.
func translations(t testing.TB) *desired.State {
	t.Helper()
	var b build
	b.Set(string(desired.NATSources), "10.65.0.0/16", "fd00:65::/64")
	b.Set(string(desired.NATInside), "10.65.0.0/16", "10.66.0.0/16", "fd00:65::/64", "192.0.2.1")
	e := b.Endpoint("cali1", nil, nil, "10.65.0.1", "fd00:65::1")
	e.FloatingIPs = []desired.FloatingIP{{External: addr("192.0.2.10"), Internal: addr("10.65.0.1")}, {External: addr("2001:db8::10"), Internal: addr("fd00:65::1")}}
	for _, to := range []string{"10.65.0.1:80", "[fd00:65::1]:80"} {
		e.HostPorts = append(e.HostPorts, desired.HostPort{Protocol: 6, Port: 8080, To: netip.MustParseAddrPort(to)})
	}
	e.HostPorts = append(e.HostPorts,
		desired.HostPort{Protocol: 17, Host: addr("192.0.2.1"), Port: 53, To: netip.MustParseAddrPort("10.65.0.1:5353")},
		desired.HostPort{Protocol: 132, Host: addr("2001:db8::1"), Port: 99, To: netip.MustParseAddrPort("[fd00:65::1]:99")},
	)
	s := desired.DefaultSettings()
	s.SourceNAT = desired.SourceNAT{Sources: desired.NATSources, Inside: desired.NATInside}
	b.Delta.Settings = s
	return b.State(t)
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// members is a state with one endpoint whose policy allows a set of n hosts.
func members(t testing.TB, n int) *desired.State {
	t.Helper()
	var b build
	set := b.Set("many")
	c := &b.Delta.IPSets[0]
	for i := range n {
		c.Added = append(c.Added, host(i))
	}
	p := b.Policy(np("many"), []rule.Rule{allow(rule.Match{Src: rule.Side{Sets: []rule.Set{set}}})}, nil)
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, p)}, nil, "10.65.0.1")
	return b.State(t)
}

func host(i int) desired.Member {
	a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
	return desired.Member{Prefix: netip.PrefixFrom(a, 32)}
}

// oneMember adds or removes one more member.
func oneMember(add bool) *desired.Delta {
	c := desired.IPSetChange{ID: "many"}
	extra := []desired.Member{{Prefix: prefix("12.0.0.1")}}
	if add {
		c.Added = extra
	} else {
		c.Removed = extra
	}
	return &desired.Delta{IPSets: []desired.IPSetChange{c}}
}

// tunnelled is a node with every kind of tunnel and a workload.
func tunnelled(t testing.TB) *desired.State {
	t.Helper()
	var b build
	settings := *desired.DefaultSettings()
	peers := b.Set(string(desired.TunnelPeers), "192.0.2.1", "2001:db8::1").ID
	settings.Tunnels = desired.TunnelRules{VXLANPort: 4789, VXLANPeers: peers, IPIPPeers: peers, WireGuardPeers: peers, WireGuardPorts: [2]uint16{51820, 51821}}
	settings.ClampMSS = true
	b.Delta.Settings = &settings
	b.Endpoint("cali1", nil, nil, "10.65.0.1")
	return b.State(t)
}
