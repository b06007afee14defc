// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// kind is a packet of the matrix in both families: from a workload's link, by its own address or another that it may use.
type kind struct {
	src, dst         string // of places
	protocol         uint8  // protoICMP stands for ICMPv6 in IPv6
	srcPort, dstPort uint16
	icmpType         [2]uint8 // by family
	icmpCode         uint8
}

func (k kind) probe(v6 bool) probe {
	p := eval.Packet{
		Src: addressOf(k.src, v6), Dst: addressOf(k.dst, v6), Protocol: k.protocol, SrcPort: k.srcPort, DstPort: k.dstPort,
		ICMPType: k.icmpType[0], ICMPCode: k.icmpCode,
	}
	if v6 && k.protocol == protoICMP {
		p.Protocol, p.ICMPType = protoICMPv6, k.icmpType[1]
	}
	return probe{pod1, p}
}

// The packets of the matrix. Web and its kin differ in one thing each.
var (
	web      = kind{src: "pod1", dst: "world", protocol: protoTCP, srcPort: 1000, dstPort: 80}
	webAlias = kind{src: "alias", dst: "world", protocol: protoTCP, srcPort: 1000, dstPort: 80}
	webDMZ   = kind{src: "pod1", dst: "dmz", protocol: protoTCP, srcPort: 1000, dstPort: 80}
	webAlt   = kind{src: "pod1", dst: "world", protocol: protoTCP, srcPort: 1000, dstPort: 8080}
	webOther = kind{src: "pod1", dst: "world", protocol: protoTCP, srcPort: 2000, dstPort: 80}
	dns      = kind{src: "pod1", dst: "world", protocol: protoUDP, srcPort: 1000, dstPort: 53}
	sctpWeb  = kind{src: "pod1", dst: "world", protocol: protoSCTP, srcPort: 1000, dstPort: 80}
	udpLite  = kind{src: "pod1", dst: "world", protocol: protoUDPLite, srcPort: 1000, dstPort: 80}
	other    = kind{src: "pod1", dst: "world", protocol: protoOther}
	ping     = kind{src: "pod1", dst: "world", protocol: protoICMP, icmpType: [2]uint8{8, 128}}
	pingCode = kind{src: "pod1", dst: "world", protocol: protoICMP, icmpType: [2]uint8{8, 128}, icmpCode: 1}
	stamp    = kind{src: "pod1", dst: "world", protocol: protoICMP, icmpType: [2]uint8{13, 139}}
	all      = []kind{web, webDMZ, webAlt, dns, sctpWeb, udpLite, other, ping, pingCode, stamp}
)

// The sets of the matrix.
var (
	podSet   = netSet("pod", "pod1")
	aliasSet = netSet("alias", "alias")
	worldSet = netSet("world", "world")
	someSet  = netSet("some", "world", "pod1")
	dmzSet   = desired.IPSetChange{ID: "dmz", Created: true, Added: []desired.Member{{Prefix: dmzNets[0]}, {Prefix: dmzNets[1]}}}
	webSet   = portSet("web", protoTCP, 80, "world", "alias")
	fromSet  = portSet("from", protoTCP, 1000, "pod1")
	dnsSet   = portSet("dns", protoUDP, 53, "world")
)

func netSet(id rule.SetID, names ...string) desired.IPSetChange {
	c := desired.IPSetChange{ID: id, Created: true}
	for _, name := range names {
		for _, v6 := range []bool{false, true} {
			c.Added = append(c.Added, desired.Member{Prefix: desired.HostPrefix(addressOf(name, v6))})
		}
	}
	return c
}

func portSet(id rule.SetID, protocol uint8, port uint16, names ...string) desired.IPSetChange {
	c := netSet(id, names...)
	c.Kind = rule.SetPort
	for i := range c.Added {
		c.Added[i].Protocol, c.Added[i].Port = protocol, port
	}
	return c
}

func setsOf(sets ...desired.IPSetChange) []rule.Set {
	var out []rule.Set
	for _, s := range sets {
		out = append(out, rule.Set{ID: s.ID, Kind: s.Kind})
	}
	return out
}

// nets are the addresses of places, of both families: a list of a rule without an IP version has both.
func nets(names ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, v6 := range []bool{false, true} {
		for _, name := range names {
			out = append(out, desired.HostPrefix(addressOf(name, v6)))
		}
	}
	return out
}

func portRanges(bounds ...uint16) []rule.PortRange {
	var out []rule.PortRange
	for i := 0; i < len(bounds); i += 2 {
		out = append(out, rule.PortRange{Min: bounds[i], Max: bounds[i+1]})
	}
	return out
}

// row has packets that a match lets through and packets that it keeps from it. Families are 4, 6 or 0 for both.
type row struct {
	name     string
	match    rule.Match
	families uint8
	yes, no  []kind
}

// matrix has a row for each field of rule.Match where it matches, and one where it does not.
var matrix = []row{
	{"nothing stated", rule.Match{}, 0, all, nil},
	{"IPv4 of IPv4", rule.Match{IPVersion: 4}, 4, all, nil},
	{"IPv4 of IPv6", rule.Match{IPVersion: 4}, 6, nil, all},
	{"IPv6 of IPv6", rule.Match{IPVersion: 6}, 6, all, nil},
	{"IPv6 of IPv4", rule.Match{IPVersion: 6}, 4, nil, all},
	{"TCP", rule.Match{Protocol: protoTCP}, 0, []kind{web, webAlt, webDMZ}, []kind{dns, sctpWeb, udpLite, other, ping}},
	{"UDP", rule.Match{Protocol: protoUDP}, 0, []kind{dns}, []kind{web, sctpWeb, udpLite, other, ping}},
	{"SCTP", rule.Match{Protocol: protoSCTP}, 0, []kind{sctpWeb}, []kind{web, dns, udpLite, other, ping}},
	{"UDP-Lite", rule.Match{Protocol: protoUDPLite}, 0, []kind{udpLite}, []kind{web, dns, sctpWeb, other, ping}},
	{"a protocol by number", rule.Match{Protocol: protoOther}, 0, []kind{other}, []kind{web, dns, sctpWeb, udpLite, ping}},
	{"ICMP", rule.Match{Protocol: protoICMP}, 4, []kind{ping, stamp}, []kind{web, dns, other}},
	{"ICMPv6", rule.Match{Protocol: protoICMPv6}, 6, []kind{ping, stamp}, []kind{web, dns, other}},
	{"ICMPv6 of IPv4", rule.Match{Protocol: protoICMPv6}, 4, nil, []kind{ping, web}},
	{"not TCP", rule.Match{NotProtocol: protoTCP}, 0, []kind{dns, sctpWeb, udpLite, other, ping}, []kind{web, webAlt}},
	{"not a protocol by number", rule.Match{NotProtocol: protoOther}, 0, []kind{web, dns, ping}, []kind{other}},
	{"not UDP-Lite", rule.Match{NotProtocol: protoUDPLite}, 0, []kind{web, dns, ping}, []kind{udpLite}},
	{"UDP and not TCP", rule.Match{Protocol: protoUDP, NotProtocol: protoTCP}, 0, []kind{dns}, []kind{web, ping}},
	{"TCP and not TCP", rule.Match{Protocol: protoTCP, NotProtocol: protoTCP}, 0, nil, []kind{web, dns}},

	{"ICMP type", rule.Match{IPVersion: 4, Protocol: protoICMP, ICMP: &rule.ICMP{Type: 8}}, 4, []kind{ping, pingCode}, []kind{stamp, web}},
	{"ICMP type and code", rule.Match{IPVersion: 4, Protocol: protoICMP, ICMP: &rule.ICMP{Type: 8, HasCode: true, Code: 1}}, 4, []kind{pingCode}, []kind{ping, stamp}},
	{"ICMP type and code 0", rule.Match{IPVersion: 4, Protocol: protoICMP, ICMP: &rule.ICMP{Type: 8, HasCode: true}}, 4, []kind{ping}, []kind{pingCode, stamp}},
	{"not ICMP type", rule.Match{IPVersion: 4, Protocol: protoICMP, NotICMP: &rule.ICMP{Type: 8}}, 4, []kind{stamp}, []kind{ping, pingCode, web}},
	{"not ICMP type and code", rule.Match{IPVersion: 4, Protocol: protoICMP, NotICMP: &rule.ICMP{Type: 8, HasCode: true, Code: 1}}, 4, []kind{ping, stamp}, []kind{pingCode, web}},
	{"ICMPv6 type", rule.Match{IPVersion: 6, Protocol: protoICMPv6, ICMP: &rule.ICMP{Type: 128}}, 6, []kind{ping, pingCode}, []kind{stamp, web}},
	{"ICMPv6 type and code", rule.Match{IPVersion: 6, Protocol: protoICMPv6, ICMP: &rule.ICMP{Type: 128, HasCode: true, Code: 1}}, 6, []kind{pingCode}, []kind{ping, stamp}},
	{"not ICMPv6 type", rule.Match{IPVersion: 6, Protocol: protoICMPv6, NotICMP: &rule.ICMP{Type: 128}}, 6, []kind{stamp}, []kind{ping, pingCode, web}},
	{"not ICMPv6 type and code", rule.Match{IPVersion: 6, Protocol: protoICMPv6, NotICMP: &rule.ICMP{Type: 128, HasCode: true, Code: 1}}, 6, []kind{ping, stamp}, []kind{pingCode}},

	{"source net", rule.Match{Src: rule.Side{Nets: nets("pod1")}}, 0, []kind{web, dns, ping, other}, []kind{webAlias}},
	{"one of two source nets", rule.Match{Src: rule.Side{Nets: nets("pod2", "alias")}}, 0, []kind{webAlias}, []kind{web}},
	{"source net of a version", rule.Match{IPVersion: 4, Src: rule.Side{Nets: nets("pod1")[:1]}}, 4, []kind{web}, []kind{webAlias}},
	{"not source net", rule.Match{Src: rule.Side{NotNets: nets("pod1")}}, 0, []kind{webAlias}, []kind{web, dns}},
	{"neither of two source nets", rule.Match{Src: rule.Side{NotNets: nets("pod1", "alias")}}, 0, nil, []kind{web, webAlias}},
	{"source set", rule.Match{Src: rule.Side{Sets: setsOf(podSet)}}, 0, []kind{web, dns, ping}, []kind{webAlias}},
	{"both source sets", rule.Match{Src: rule.Side{Sets: setsOf(podSet, someSet)}}, 0, []kind{web}, []kind{webAlias}},
	{"both source sets, in one", rule.Match{Src: rule.Side{Sets: setsOf(podSet, aliasSet)}}, 0, nil, []kind{web, webAlias}},
	{"not source set", rule.Match{Src: rule.Side{NotSets: setsOf(podSet)}}, 0, []kind{webAlias}, []kind{web, dns}},
	{"neither source set", rule.Match{Src: rule.Side{NotSets: setsOf(worldSet, aliasSet)}}, 0, []kind{web}, []kind{webAlias}},
	{"source port", rule.Match{Protocol: protoTCP, Src: rule.Side{Ports: portRanges(1000, 1000)}}, 0, []kind{web, webAlt}, []kind{webOther, dns}},
	{"source port of SCTP", rule.Match{Protocol: protoSCTP, Src: rule.Side{Ports: portRanges(1000, 1000)}}, 0, []kind{sctpWeb}, []kind{web}},
	{"not source port", rule.Match{Protocol: protoTCP, Src: rule.Side{NotPorts: portRanges(1000, 1999)}}, 0, []kind{webOther}, []kind{web, dns}},
	{"source port name", rule.Match{Protocol: protoTCP, Src: rule.Side{PortSets: setsOf(fromSet)}}, 0, []kind{web}, []kind{webOther, webAlias, dns}},
	{"not source port name", rule.Match{Protocol: protoTCP, Src: rule.Side{NotPortSets: setsOf(fromSet)}}, 0, []kind{webOther, webAlias}, []kind{web, dns}},

	{"destination net", rule.Match{Dst: rule.Side{Nets: nets("world")}}, 0, []kind{web, dns, ping}, []kind{webDMZ}},
	{"destination network", rule.Match{Dst: rule.Side{Nets: dmzNets}}, 0, []kind{webDMZ}, []kind{web, dns}},
	{"any address", rule.Match{Dst: rule.Side{Nets: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}}, 0, []kind{web, webDMZ}, nil},
	{"net with an exception", rule.Match{Dst: rule.Side{Nets: append(nets("world"), dmzNets...), NotNets: nets("dmz")}}, 0, []kind{web}, []kind{webDMZ}},
	{"not destination net", rule.Match{Dst: rule.Side{NotNets: nets("world")}}, 0, []kind{webDMZ}, []kind{web, dns}},
	{"destination set", rule.Match{Dst: rule.Side{Sets: setsOf(worldSet)}}, 0, []kind{web, dns, ping}, []kind{webDMZ}},
	{"destination set of networks", rule.Match{Dst: rule.Side{Sets: setsOf(dmzSet)}}, 0, []kind{webDMZ}, []kind{web}},
	{"both destination sets", rule.Match{Dst: rule.Side{Sets: setsOf(worldSet, someSet)}}, 0, []kind{web}, []kind{webDMZ}},
	{"not destination set", rule.Match{Dst: rule.Side{NotSets: setsOf(worldSet)}}, 0, []kind{webDMZ}, []kind{web, dns}},
	{"neither destination set", rule.Match{Dst: rule.Side{NotSets: setsOf(worldSet, dmzSet)}}, 0, nil, []kind{web, webDMZ}},
	{"destination set and net", rule.Match{Dst: rule.Side{Sets: setsOf(someSet), Nets: nets("world", "dmz")}}, 0, []kind{web}, []kind{webDMZ}},
	{"destination port", rule.Match{Protocol: protoTCP, Dst: rule.Side{Ports: portRanges(80, 80)}}, 0, []kind{web, webDMZ}, []kind{webAlt, dns, sctpWeb, udpLite}},
	{"destination port of UDP", rule.Match{Protocol: protoUDP, Dst: rule.Side{Ports: portRanges(53, 53)}}, 0, []kind{dns}, []kind{web}},
	{"destination ports", rule.Match{Protocol: protoTCP, Dst: rule.Side{Ports: portRanges(1, 79, 8000, 8080)}}, 0, []kind{webAlt}, []kind{web}},
	{"not destination port", rule.Match{Protocol: protoTCP, Dst: rule.Side{NotPorts: portRanges(80, 80)}}, 0, []kind{webAlt}, []kind{web, dns}},
	{"ports with an exception", rule.Match{Protocol: protoTCP, Dst: rule.Side{Ports: portRanges(1, 9000), NotPorts: portRanges(8000, 8100)}}, 0, []kind{web}, []kind{webAlt}},
	{"destination port name", rule.Match{Protocol: protoTCP, Dst: rule.Side{PortSets: setsOf(webSet)}}, 0, []kind{web}, []kind{webAlt, webDMZ, sctpWeb}},
	{"destination port name or number", rule.Match{Protocol: protoTCP, Dst: rule.Side{Ports: portRanges(8080, 8080), PortSets: setsOf(webSet)}}, 0, []kind{web, webAlt}, []kind{webDMZ}},
	{"one of two port names", rule.Match{Protocol: protoUDP, Dst: rule.Side{PortSets: setsOf(webSet, dnsSet)}}, 0, []kind{dns}, []kind{web}},
	{"not destination port name", rule.Match{Protocol: protoTCP, Dst: rule.Side{NotPortSets: setsOf(webSet)}}, 0, []kind{webAlt, webDMZ}, []kind{web, dns}},
	{"a service: its ports of any protocol", rule.Match{Dst: rule.Side{PortSets: setsOf(webSet, dnsSet)}}, 0, []kind{web, dns}, []kind{webAlt, webDMZ, sctpWeb, udpLite, other, ping}},
	{"all at once", rule.Match{Protocol: protoTCP,
		Src: rule.Side{Nets: nets("pod1"), Sets: setsOf(podSet), NotSets: setsOf(aliasSet), Ports: portRanges(1000, 1000)},
		Dst: rule.Side{Sets: setsOf(worldSet), NotNets: nets("dmz"), PortSets: setsOf(webSet), NotPorts: portRanges(8080, 8080)},
	}, 0, []kind{web}, []kind{webAlias, webDMZ, webAlt, webOther, dns, sctpWeb, ping}},
}

// matches sends the packets of the matrix: through a policy that allows what a row matches, at the egress of a workload.
func matches(t *testing.T, open Open) {
	b := newJudged(t, open)
	var old *desired.State
	for i, r := range matrix {
		now := r.state(t, i)
		if err := b.program(t, old, now); err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		for _, v6 := range []bool{false, true} {
			if r.families == 4 && v6 || r.families == 6 && !v6 {
				continue
			}
			for _, k := range r.yes {
				b.row(t, r.name, now, k.probe(v6), true)
			}
			for _, k := range r.no {
				b.row(t, r.name, now, k.probe(v6), false)
			}
		}
		old = now
	}
}

func (b *bench) row(t *testing.T, name string, now *desired.State, p probe, yes bool) {
	t.Helper()
	want := expect(now, p)
	if (want.out != "") != yes {
		t.Errorf("%s: %v: the judge says %q\n%s", name, p, want.out, want.why)
	}
	if err := b.try(p, want); err != nil {
		t.Errorf("%s: %v: %v", name, p, err)
	}
}

// state has the row's match as the one rule of the one policy of a workload.
func (r row) state(t *testing.T, i int) *desired.State {
	t.Helper()
	p := policyNamed(fmt.Sprintf("row%d", i), rule.Rule{Action: rule.Allow, Match: r.match})
	e := &desired.Endpoint{ID: desired.EndpointID{Namespace: "ns", Name: pod1}, Interface: pod1, Tiers: bothWays(p)}
	for _, v6 := range []bool{false, true} {
		e.Addrs = append(e.Addrs, addressOf("pod1", v6))
		e.SpoofPrefixes = append(e.SpoofPrefixes, desired.HostPrefix(addressOf("alias", v6)))
	}
	s := desired.NewState()
	must(t, s.Apply(&desired.Delta{
		IPSets:   []desired.IPSetChange{podSet, aliasSet, worldSet, someSet, dmzSet, webSet, fromSet, dnsSet},
		Policies: []*desired.Policy{p}, Endpoints: []*desired.Endpoint{e},
	}))
	return s
}
