// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"cmp"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// passage is a packet, where it must come out, and the addresses that the receiver must see: the names of places, empty for those it was sent with.
type passage struct {
	from, src, dst string
	protocol       uint8
	port           uint16
	out            string
	as, to         string
	toPort         uint16 // 0: the port it was sent to
	only4          bool   // IPv6 has no such thing
}

// natted tries a passage in both families, and that an answer comes back under the addresses that were asked.
func (b *bench) natted(t *testing.T, name string, s passage, ports *desired.SourceNAT) {
	t.Helper()
	for _, v6 := range []bool{false, true} {
		if v6 && s.only4 {
			continue
		}
		b.sources++
		p := eval.Packet{Src: addressOf(s.src, v6), Dst: addressOf(s.dst, v6), Protocol: s.protocol, SrcPort: b.sources, DstPort: s.port}
		got, err := b.Pass(s.from, p)
		must(t, err)
		if s.out == "" || s.out == toHost {
			if got.out != s.out {
				t.Errorf("%s: %+v came out at %v; want %q", name, p, got, s.out)
			}
			continue
		}
		want := arrival{out: s.out, src: netip.AddrPortFrom(p.Src, p.SrcPort), dst: netip.AddrPortFrom(p.Dst, s.port)}
		if s.as != "" {
			want.src = netip.AddrPortFrom(addressOf(s.as, v6), got.src.Port())
		}
		if s.to != "" {
			want.dst = netip.AddrPortFrom(addressOf(s.to, v6), cmp.Or(s.toPort, s.port))
		}
		if got != want {
			t.Errorf("%s: %+v came out at %v; want %v", name, p, got, want)
			continue
		}
		if ports != nil && ports.MinPort > 0 && s.as != "" && (got.src.Port() < ports.MinPort || got.src.Port() > ports.MaxPort) {
			t.Errorf("%s: %+v has got source port %d; want %d to %d", name, p, got.src.Port(), ports.MinPort, ports.MaxPort)
		}
		if s.protocol == protoUDP && s.from != fromHost {
			b.answer(t, name, s.from, p, got)
		}
	}
}

// answer sends the reply to a packet that arrived.
func (b *bench) answer(t *testing.T, name, to string, p eval.Packet, a arrival) {
	t.Helper()
	reply := eval.Packet{Src: a.dst.Addr(), Dst: a.src.Addr(), Protocol: p.Protocol, SrcPort: a.dst.Port(), DstPort: a.src.Port()}
	got, err := b.Pass(a.out, reply)
	must(t, err)
	want := arrival{to, netip.AddrPortFrom(p.Dst, p.DstPort), netip.AddrPortFrom(p.Src, p.SrcPort)}
	if got != want {
		t.Errorf("%s: the answer to %+v came out at %v; want %v", name, p, got, want)
	}
}

// outgoing is a source translation of all workloads' pool.
func outgoing(edit func(*desired.SourceNAT)) desired.Settings {
	s := desired.Settings{EndpointToHost: desired.HostAccept, SourceNAT: desired.SourceNAT{Sources: desired.NATSources, Inside: desired.NATInside}}
	edit(&s.SourceNAT)
	return s
}

func same(*desired.SourceNAT) {}

// podPool is the pool of the workloads, otherPool one without translation.
var (
	podPool   = []string{"10.65.0.0/24", "fd00:65::/64"}
	otherPool = []string{"198.51.100.0/24", "2001:db8:2::/48"}
)

func toWorld(protocol uint8, as string) passage {
	return passage{from: pod1, src: "pod1", dst: "world", protocol: protocol, port: 80, out: uplink, as: as}
}

// natCases are about packets that leave the pools.
var natCases = []struct {
	name     string
	settings desired.Settings
	inside   []string // beside podPool
	passages []passage
}{
	{"none", desired.Settings{EndpointToHost: desired.HostAccept}, nil, []passage{toWorld(protoUDP, "")}},
	{"out of the pools", outgoing(same), otherPool, []passage{
		toWorld(protoUDP, "host"), toWorld(protoTCP, "host"), toWorld(protoSCTP, "host"),
		{from: pod1, src: "pod1", dst: "dmz", protocol: protoUDP, port: 80, out: dmz, as: "host"},
		{from: pod1, src: "pod1", dst: "pod2", protocol: protoUDP, port: 80, out: pod2},
		{from: pod1, src: "pod1", dst: "elsewhere", protocol: protoUDP, port: 80, out: uplink},
		{from: dmz, src: "dmz", dst: "world", protocol: protoUDP, port: 80, out: uplink},
		{from: uplink, src: "world", dst: "pod1", protocol: protoUDP, port: 80, out: pod1},
		// Another port: on this one the kernel may have given a workload, at random, the source port that this packet has.
		{from: fromHost, src: "host", dst: "world", protocol: protoUDP, port: 81, out: uplink},
		{from: pod1, src: "pod1", dst: "host", protocol: protoUDP, port: 80, out: toHost},
	}},
	{"a host is inside", outgoing(same), []string{"192.0.2.77/32", "2001:db8::77/128"}, []passage{
		toWorld(protoUDP, ""), {from: pod1, src: "pod1", dst: "dmz", protocol: protoUDP, port: 80, out: dmz, as: "host"},
	}},
	{"ports", outgoing(func(n *desired.SourceNAT) { n.MinPort, n.MaxPort = 40000, 40099 }), nil, []passage{
		toWorld(protoUDP, "host"), toWorld(protoTCP, "host"), toWorld(protoSCTP, "host"),
	}},
	{"interface", outgoing(func(n *desired.SourceNAT) { n.Interface = dmz }), nil, []passage{
		toWorld(protoUDP, ""), {from: pod1, src: "pod1", dst: "dmz", protocol: protoUDP, port: 80, out: dmz, as: "host"},
	}},
	{"interfaces by the start of their names", outgoing(func(n *desired.SourceNAT) { n.Interface = "up+" }), nil, []passage{
		toWorld(protoUDP, "host"), {from: pod1, src: "pod1", dst: "dmz", protocol: protoUDP, port: 80, out: dmz},
	}},
	{"none again", desired.Settings{EndpointToHost: desired.HostAccept}, nil, []passage{toWorld(protoUDP, "")}},
}

// natOutgoing runs the cases one after the other, as changes of one router.
func natOutgoing(t *testing.T, open Open) {
	b := newBench(t, open, true)
	var old *desired.State
	for _, c := range natCases {
		now := natState(t, &c.settings, c.inside)
		must(t, b.program(t, old, now))
		for _, s := range c.passages {
			b.natted(t, c.name, s, &c.settings.SourceNAT)
		}
		b.nothingToRepair(t, c.name, now)
		old = now
	}
}

// natAddress: the address may be given for IPv4; IPv6 has the host's.
func natAddress(t *testing.T, open Open) {
	b := newBench(t, open, true)
	for _, ports := range []uint16{0, 40000} {
		settings := outgoing(func(n *desired.SourceNAT) {
			n.Address, n.MinPort, n.MaxPort = netip.MustParseAddr("203.0.113.200"), ports, ports
			if ports > 0 {
				n.MaxPort += 99
			}
		})
		must(t, b.program(t, nil, natState(t, &settings, nil)))
		for _, protocol := range []uint8{protoUDP, protoTCP} {
			b.natted(t, "address", toWorld(protocol, "nat address"), &settings.SourceNAT)
		}
	}
}

// natState has two open workloads and the sets of source translation.
func natState(t testing.TB, settings *desired.Settings, inside []string) *desired.State {
	t.Helper()
	s := world(t, rule.Allow, 1, 2)
	d := &desired.Delta{Settings: settings}
	if settings.SourceNAT.Sources != "" {
		d.IPSets = []desired.IPSetChange{prefixSet(desired.NATSources, podPool), prefixSet(desired.NATInside, append(inside, podPool...))}
	}
	must(t, s.Apply(d))
	return s
}

func prefixSet(id rule.SetID, prefixes []string) desired.IPSetChange {
	c := desired.IPSetChange{ID: id, Created: true}
	for _, p := range prefixes {
		c.Added = append(c.Added, desired.Member{Prefix: netip.MustParsePrefix(p)})
	}
	return c
}

// nothingToRepair: the kernel holds what was programmed, by a delta too.
func (b *bench) nothingToRepair(t *testing.T, name string, s *desired.State) {
	t.Helper()
	r, err := b.driver.Apply(t.Context(), s, nil)
	must(t, err)
	if r.Repaired != 0 {
		t.Errorf("%s: %d differences in the kernel", name, r.Repaired)
	}
}

// Ports of the host that lead to workloads.
const (
	mapped   = 8080
	specific = 8081
	local    = 8082
)

func to(i int, v6 bool) netip.AddrPort { return netip.AddrPortFrom(WorkloadAddr(i, v6), 80) }

// hostPorts lead to a workload: one of all addresses of the host, and for each protocol alone.
func hostPorts(i int, protocols ...uint8) []desired.HostPort {
	var out []desired.HostPort
	for _, protocol := range protocols {
		for _, v6 := range []bool{false, true} {
			out = append(out, desired.HostPort{Protocol: protocol, Port: mapped, To: to(i, v6)})
		}
	}
	return out
}

// oneAddress leads a port of one address to a workload.
func oneAddress(i int, host string, port uint16) []desired.HostPort {
	var out []desired.HostPort
	for _, v6 := range []bool{false, true} {
		out = append(out, desired.HostPort{Protocol: protoUDP, Host: addressOf(host, v6), Port: port, To: to(i, v6)})
	}
	return out
}

func floating(i int, name string) []desired.FloatingIP {
	var out []desired.FloatingIP
	for _, v6 := range []bool{false, true} {
		out = append(out, desired.FloatingIP{External: addressOf(name, v6), Internal: WorkloadAddr(i, v6)})
	}
	return out
}

// exposed is a state with two open workloads to which addresses lead.
func exposed(t testing.TB, edit func(one, two *desired.Endpoint)) *desired.State {
	t.Helper()
	s := world(t, rule.Allow, 1, 2)
	var changed [2]desired.Endpoint
	for i := range changed {
		e, _ := s.Endpoint(desired.EndpointID{Name: Workload(i + 1)})
		changed[i] = *e
	}
	edit(&changed[0], &changed[1])
	must(t, s.Apply(&desired.Delta{
		Endpoints: []*desired.Endpoint{&changed[0], &changed[1]}, Settings: &desired.Settings{EndpointToHost: desired.HostAccept},
	}))
	return s
}

func atHost(protocol uint8, port uint16, out string) passage {
	s := passage{from: uplink, src: "world", dst: "host", protocol: protocol, port: port, out: out}
	if out != toHost {
		s.to, s.toPort = strings.Replace(out, "cali", "pod", 1), 80
	}
	return s
}

// exposeCases are about packets to addresses that lead to workloads.
var exposeCases = []struct {
	name     string
	edit     func(one, two *desired.Endpoint)
	passages []passage
}{
	{"nothing", func(_, _ *desired.Endpoint) {}, []passage{atHost(protoUDP, mapped, toHost)}},
	{"a port of all addresses", func(one, _ *desired.Endpoint) { one.HostPorts = hostPorts(1, protoUDP) }, []passage{
		atHost(protoUDP, mapped, pod1), atHost(protoTCP, mapped, toHost), atHost(protoUDP, mapped+1, toHost),
		{from: uplink, src: "world", dst: "dmz", protocol: protoUDP, port: mapped, out: dmz},
		{from: pod2, src: "pod2", dst: "host", protocol: protoUDP, port: mapped, out: pod1, to: "pod1", toPort: 80},
		{from: pod1, src: "pod1", dst: "host", protocol: protoUDP, port: mapped, out: pod1, as: "host", to: "pod1", toPort: 80},
		{from: fromHost, src: "host", dst: "host", protocol: protoUDP, port: mapped, out: pod1, to: "pod1", toPort: 80},
		{from: fromHost, src: "loopback", dst: "loopback", protocol: protoUDP, port: mapped, out: toHost},
		{from: pod2, src: "pod2", dst: "pod1", protocol: protoUDP, port: mapped, out: pod1},
	}},
	{"of all protocols", func(one, _ *desired.Endpoint) { one.HostPorts = hostPorts(1, protoUDP, protoTCP, protoSCTP) }, []passage{
		atHost(protoUDP, mapped, pod1), atHost(protoTCP, mapped, pod1), atHost(protoSCTP, mapped, pod1),
	}},
	{"that of one address goes first", func(one, two *desired.Endpoint) {
		one.HostPorts = append(hostPorts(1, protoUDP), oneAddress(1, "dmz", specific)...)
		two.HostPorts = append(oneAddress(2, "host", mapped), oneAddress(2, "host", specific)...)
	}, []passage{
		atHost(protoUDP, mapped, pod2), atHost(protoUDP, specific, pod2),
		{from: uplink, src: "world", dst: "dmz", protocol: protoUDP, port: specific, out: dmz}, // no address of the host
	}},
	{"of a loopback address, for processes of the host alone", func(one, _ *desired.Endpoint) {
		loopback := netip.MustParseAddr("127.0.0.1")
		one.HostPorts = []desired.HostPort{{Protocol: protoUDP, Host: loopback, Port: local, To: to(1, false)}, {Protocol: protoTCP, Host: loopback, Port: local, To: to(1, false)}}
	}, []passage{
		{from: fromHost, src: "loopback", dst: "loopback", protocol: protoUDP, port: local, out: pod1, as: "host", to: "pod1", toPort: 80, only4: true},
		{from: fromHost, src: "loopback", dst: "loopback", protocol: protoTCP, port: local, out: pod1, as: "host", to: "pod1", toPort: 80, only4: true},
		{from: fromHost, src: "loopback", dst: "loopback", protocol: protoUDP, port: mapped, out: toHost},
		{from: uplink, src: "world", dst: "loopback", protocol: protoUDP, port: local, only4: true},
		{from: pod2, src: "pod2", dst: "loopback", protocol: protoUDP, port: local, out: toHost, only4: true}, // as far as its policy lets it
		atHost(protoUDP, local, toHost),
	}},
	{"they change places", func(one, two *desired.Endpoint) {
		one.HostPorts, two.HostPorts = oneAddress(1, "host", mapped), hostPorts(2, protoUDP)
		one.FloatingIPs = floating(1, "floating")
	}, []passage{
		atHost(protoUDP, mapped, pod1),
		{from: uplink, src: "world", dst: "floating", protocol: protoUDP, port: 80, out: pod1, to: "pod1"},
	}},
	{"a floating address", func(_, two *desired.Endpoint) { two.FloatingIPs = floating(2, "floating") }, []passage{
		atHost(protoUDP, mapped, toHost),
		{from: uplink, src: "world", dst: "floating", protocol: protoTCP, port: 81, out: pod2, to: "pod2"},
		{from: pod1, src: "pod1", dst: "floating", protocol: protoUDP, port: 81, out: pod2, to: "pod2"},
		{from: pod2, src: "pod2", dst: "floating", protocol: protoUDP, port: 81, out: pod2, as: "host", to: "pod2"},
		{from: fromHost, src: "host", dst: "floating", protocol: protoUDP, port: 81, out: pod2, to: "pod2"},
		{from: pod2, src: "pod2", dst: "world", protocol: protoUDP, port: 81, out: uplink}, // what it opens itself keeps its address
	}},
	{"nothing again", func(_, _ *desired.Endpoint) {}, []passage{
		atHost(protoUDP, mapped, toHost), {from: pod1, src: "pod1", dst: "floating", protocol: protoUDP, port: 81, out: uplink},
	}},
}

// exposes runs the cases one after the other, as changes of one router.
func exposes(t *testing.T, open Open) {
	b := newBench(t, open, true)
	var old *desired.State
	for _, c := range exposeCases {
		now := exposed(t, c.edit)
		must(t, b.program(t, old, now))
		for _, s := range c.passages {
			b.natted(t, c.name, s, nil)
		}
		b.nothingToRepair(t, c.name, now)
		old = now
	}
}

// exposedPolicy: policy sees the workload's own port and the sender's own address.
func exposedPolicy(t *testing.T, open Open) {
	b := newBench(t, open, true)
	s := exposed(t, func(one, two *desired.Endpoint) {
		one.HostPorts, two.HostPorts = hostPorts(1, protoUDP), oneAddress(2, "host", specific)
		one.FloatingIPs = floating(1, "floating")
	})
	onlyWorld := []rule.Rule{{ID: "world", Action: rule.Allow, Match: rule.Match{
		Protocol: protoUDP, Src: rule.Side{Nets: nets("world")}, Dst: rule.Side{Nets: nets("pod1"), Ports: portRanges(80, 80)},
	}}}
	id := rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: "only-world"}
	d := &desired.Delta{Policies: []*desired.Policy{{ID: id, Rules: [2][]rule.Rule{rule.Ingress: onlyWorld}}}}
	for i := range 2 {
		e, _ := s.Endpoint(desired.EndpointID{Name: Workload(i + 1)})
		now := *e
		now.Tiers[rule.Ingress] = []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{id}, DefaultAction: rule.Deny}}
		d.Endpoints = append(d.Endpoints, &now)
	}
	must(t, s.Apply(d))
	must(t, b.program(t, nil, s))
	for _, c := range []passage{
		atHost(protoUDP, mapped, pod1), {from: uplink, src: "world", dst: "floating", protocol: protoUDP, port: 80, out: pod1, to: "pod1"},
		{from: uplink, src: "world", dst: "floating", protocol: protoUDP, port: mapped}, // no host port
		{from: uplink, src: "world", dst: "host", protocol: protoUDP, port: specific},   // to the other workload
		{from: dmz, src: "dmz", dst: "host", protocol: protoUDP, port: mapped},
		{from: pod2, src: "pod2", dst: "host", protocol: protoUDP, port: mapped},
	} {
		b.natted(t, "policy", c, nil)
	}
}
