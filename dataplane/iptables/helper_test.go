// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/xtables"
)

var flavours = []xtables.Flavour{xtables.NFT, xtables.Legacy}

// openDriver opens a driver in a namespace.
func openDriver(t testing.TB, ns *netns.NS, o Options) *Driver {
	t.Helper()
	var d *Driver
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	err := ns.Do(func() (err error) {
		d, err = New(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// fakeDriver opens a driver without a kernel.
func fakeDriver(t testing.TB) (*Driver, *xtables.Fake, *ipset.Fake) {
	t.Helper()
	tables, sets := &xtables.Fake{}, &ipset.Fake{}
	return newDriver(Options{Flavour: xtables.NFT, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), groupFrom: 3}, tables, sets), tables, sets
}

// dump is everything that a driver's kernel holds of ours, but for counters.
func dump(t testing.TB, d *Driver) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, key := range tableKeys() {
		held, err := d.tables.Save(t.Context(), key.fam.v6, key.name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "IPv%s table %s\n%s", key.fam.tag, key.name, held.Dump())
	}
	headers, err := d.headers()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		elements, err := d.sets.Elements(name)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(elements, ipset.Element.Compare)
		fmt.Fprintf(&b, "set %s %v %v\n", name, headers[name].Kind, elements)
	}
	return b.String()
}

// tool runs a command in a namespace as someone else would.
func tool(t testing.TB, ns *netns.NS, words ...string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Spec{Path: words[0], Args: words[1:], NS: ns})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// build and what follows are drivertest's, under short names.
type build = drivertest.Build

var (
	apply            = drivertest.Apply
	allow, deny      = drivertest.AllowRule, drivertest.DenyRule
	np, profile      = drivertest.NetworkPolicy, drivertest.Profile
	tier, endpointID = drivertest.Tier, drivertest.EndpointID
	prefix, prefixes = drivertest.Prefix, drivertest.Prefixes
	ports            = drivertest.Ports
)

// sample is a state in which every kind of match, set, action and endpoint occurs.
func sample(t testing.TB) *desired.State {
	t.Helper()
	var b build
	hosts := b.Set("hosts", "10.65.0.1", "10.65.0.2", "fd00::1")
	mixed := b.Set("mixed", "10.65.0.9", "192.0.2.0/24", "0.0.0.0/0", "fd01::/64")
	more := b.Set("more", "10.65.0.2", "10.65.0.7")
	web := b.Set("web", "10.65.0.1 6 8080", "fd00::1 6 8080", "10.65.0.2 17 53")
	sources := b.Policy(np("sources"), []rule.Rule{
		allow(rule.Match{Protocol: 6, Src: rule.Side{Sets: []rule.Set{hosts, mixed}}}),
		deny(rule.Match{Src: rule.Side{NotSets: []rule.Set{mixed}}, Protocol: 17}),
		{Action: rule.Log, Text: `log the "rest" of it's \ é`},
	}, []rule.Rule{allow(rule.Match{Dst: rule.Side{Sets: []rule.Set{mixed}, NotPorts: ports(22)}, Protocol: 6})})
	nets := b.Policy(np("nets"), []rule.Rule{
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.0.0.0/8")}}),
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.1.0.0/16", "192.168.0.0/16", "2001:db8::/32")}}),
		allow(rule.Match{Src: rule.Side{Nets: prefixes("10.9.9.9", "10.9.9.8", "::/0")}}),
		deny(rule.Match{Src: rule.Side{Nets: prefixes("10.0.0.0/8", "fd00::/8"), NotNets: prefixes("10.2.0.0/16", "2001:db8::/61")}}),
		deny(rule.Match{Dst: rule.Side{NotNets: prefixes("224.0.0.0/3", "10.0.0.0/9", "fd00::/8")}}),
	}, nil)
	long := rule.Side{Ports: []rule.PortRange{{Min: 1, Max: 9}, {Min: 60000, Max: 65535}}}
	for i := range uint16(14) {
		long.Ports = append(long.Ports, rule.PortRange{Min: 100 + 2*i, Max: 100 + 2*i})
	}
	portRules := b.Policy(np("ports"), []rule.Rule{
		allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80)}}),
		allow(rule.Match{Protocol: 17, Dst: rule.Side{Ports: []rule.PortRange{{Min: 1000, Max: 2000}}}}),
		allow(rule.Match{Protocol: 132, Dst: long}),
		allow(rule.Match{Protocol: 6, Src: rule.Side{NotPorts: []rule.PortRange{{Min: 5, Max: 6}}}, Dst: rule.Side{NotPorts: long.Ports}}),
		allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(53), PortSets: []rule.Set{web}}}),
		deny(rule.Match{Dst: rule.Side{NotPortSets: []rule.Set{web}}}),
	}, []rule.Rule{allow(rule.Match{NotProtocol: 17, IPVersion: 6}), deny(rule.Match{NotProtocol: 136, IPVersion: 4})})
	icmp := b.Policy(np("icmp"), []rule.Rule{
		allow(rule.Match{Protocol: 1, IPVersion: 4, ICMP: &rule.ICMP{Type: 8}}),
		allow(rule.Match{Protocol: 58, IPVersion: 6, ICMP: &rule.ICMP{Type: 128, HasCode: true}}),
		deny(rule.Match{Protocol: 1, IPVersion: 4, NotICMP: &rule.ICMP{Type: 3, HasCode: true, Code: 4}}),
		deny(rule.Match{Protocol: 58, IPVersion: 6, NotICMP: &rule.ICMP{Type: 2}}),
	}, nil)
	gate := b.Policy(rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: "gate"}, []rule.Rule{
		deny(rule.Match{Src: rule.Side{Sets: []rule.Set{more}}}),
		{Action: rule.Pass, Match: rule.Match{Protocol: 6}},
	}, []rule.Rule{{Action: rule.Pass}})
	peer := func(name string, set rule.Set) rule.PolicyID {
		return b.Policy(np(name), []rule.Rule{allow(rule.Match{Src: rule.Side{Sets: []rule.Set{set}}})}, nil)
	}
	first, second, third := peer("peers1", hosts), peer("peers2", more), peer("peers3", mixed)
	open := b.Policy(profile("kns.default"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})

	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, sources, nets, portRules, icmp)}, []rule.PolicyID{open}, "10.65.0.1", "fd00::1")
	twin := b.Endpoint("cali2", []desired.TierPolicies{tier("default", rule.Deny, sources, nets, portRules, icmp)}, []rule.PolicyID{open}, "10.65.0.2")
	twin.SpoofPrefixes = prefixes("10.66.0.0/16", "0.0.0.0/0", "fd02::/64")
	b.Endpoint("cali3", []desired.TierPolicies{tier("security", rule.Deny, gate), tier("late", rule.Pass, icmp)}, []rule.PolicyID{open}, "10.65.0.3")
	b.Endpoint("cali4", []desired.TierPolicies{tier("default", rule.Deny, first, second, third)}, nil, "10.65.0.6", "fd00::6")
	b.Endpoint("cali5", nil, nil, "10.65.0.5")

	both := [2][]desired.TierPolicies{{tier("default", rule.Deny, gate)}, {tier("default", rule.Pass, nets)}}
	b.Delta.HostEndpoints = []*desired.HostEndpoint{{
		ID: desired.EndpointID{Name: "eth0"}, Interface: "eth0", Untracked: both, PreDNAT: both[0], Normal: both, Forward: both, Profiles: []rule.PolicyID{open},
	}}
	return b.State(t)
}

// translations is a state in which addresses of every sort are translated.
func translations(t testing.TB) *desired.State {
	t.Helper()
	var b build
	b.Set(string(desired.NATSources), "10.65.0.0/16", "fd00:65::/64")
	b.Set(string(desired.NATInside), "10.65.0.0/16", "10.66.0.0/16", "fd00:65::/64", "192.0.2.1/32")
	e := b.Endpoint("cali1", nil, nil, "10.65.0.1", "fd00:65::1")
	addr, port := netip.MustParseAddr, netip.MustParseAddrPort
	e.FloatingIPs = []desired.FloatingIP{{External: addr("192.0.2.10"), Internal: addr("10.65.0.1")}, {External: addr("2001:db8::10"), Internal: addr("fd00:65::1")}}
	e.HostPorts = []desired.HostPort{
		{Protocol: 6, Port: 8080, To: port("10.65.0.1:80")}, {Protocol: 6, Port: 8080, To: port("[fd00:65::1]:80")},
		{Protocol: 17, Host: addr("192.0.2.1"), Port: 53, To: port("10.65.0.1:5353")}, {Protocol: 132, Host: addr("2001:db8::1"), Port: 99, To: port("[fd00:65::1]:99")},
	}
	s := desired.DefaultSettings()
	s.SourceNAT = desired.SourceNAT{Sources: desired.NATSources, Inside: desired.NATInside, Address: addr("192.0.2.9"), MinPort: 1024, MaxPort: 2047, Interface: "eth+"}
	b.Delta.Settings = s
	return b.State(t)
}

// manyMembers is a state with one endpoint whose policy allows a set of n hosts.
func manyMembers(t testing.TB, n int) *desired.State {
	t.Helper()
	var b build
	set := b.Set("many")
	for i := range n {
		a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		b.Delta.IPSets[0].Added = append(b.Delta.IPSets[0].Added, desired.Member{Prefix: desired.HostPrefix(a)})
	}
	p := b.Policy(np("many"), []rule.Rule{allow(rule.Match{Src: rule.Side{Sets: []rule.Set{set}}})}, nil)
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, p)}, nil, "10.65.0.1")
	return b.State(t)
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
