// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
)

// vxlanPort is no port of other cases, and wireGuardPort neither; that of IPv6 is one more.
const (
	vxlanPort     = 4789
	wireGuardPort = 51820
)

// Settings of a node with tunnels.
var (
	guarded = desired.Settings{EndpointToHost: desired.HostAccept, Tunnels: desired.TunnelRules{
		VXLANPort: vxlanPort, VXLANPeers: desired.TunnelPeers, IPIPPeers: desired.TunnelPeers,
	}}
	permissive = desired.Settings{EndpointToHost: desired.HostAccept, Tunnels: desired.TunnelRules{
		VXLANPort: vxlanPort, VXLANPeers: desired.TunnelPeers, IPIPPeers: desired.TunnelPeers, AllowVXLAN: true, AllowIPIP: true,
	}}
	encrypting = desired.Settings{EndpointToHost: desired.HostAccept, Tunnels: desired.TunnelRules{
		VXLANPort: vxlanPort, WireGuardPeers: desired.TunnelPeers, WireGuardPorts: [2]uint16{wireGuardPort, wireGuardPort + 1},
	}}
	unguarded = desired.Settings{EndpointToHost: desired.HostAccept, Tunnels: desired.TunnelRules{VXLANPort: vxlanPort}}
)

// tunnelled is a packet that carries others, and where it must come out.
type tunnelled struct {
	from, src, dst string
	protocol       uint8
	port           uint16
	want           string
	icmp           [2][2]uint8 // type and code, by family
}

// Packets of the kinds that carry others.
func inVXLAN(from, src, dst, want string) tunnelled {
	return tunnelled{from: from, src: src, dst: dst, protocol: protoUDP, port: vxlanPort, want: want}
}

// Without ports, each pair of hosts is one connection, in both directions: no case follows on another's.
func inIPIP(from, src, dst, want string) tunnelled {
	return tunnelled{from: from, src: src, dst: dst, protocol: protoIPIP, want: want}
}

// inWireGuard is a packet of WireGuard; over IPv6 the port is one more.
func inWireGuard(from, src, dst, want string) tunnelled {
	return tunnelled{from: from, src: src, dst: dst, protocol: protoUDP, port: wireGuardPort, want: want}
}

func inUDP(from, src, dst, want string) tunnelled {
	return tunnelled{from: from, src: src, dst: dst, protocol: protoUDP, port: vxlanPort + 1, want: want}
}

// tooBig says that a packet is too big for its path, unreachable that its receiver cannot be reached.
func tooBig(from, src, dst, want string) tunnelled {
	return tunnelled{from: from, src: src, dst: dst, protocol: protoICMP, want: want, icmp: [2][2]uint8{{3, 4}, {2, 0}}}
}

func unreachable(from, src, dst, want string) tunnelled {
	return tunnelled{from: from, src: src, dst: dst, protocol: protoICMP, want: want, icmp: [2][2]uint8{{3, 1}, {1, 3}}}
}

// tunnelCases: who may send tunnelled packets to the host, and that workloads send none. The hosts of world are known, those of dmz are not.
var tunnelCases = []struct {
	name     string
	settings desired.Settings
	members  []string
	hosts    []*desired.HostEndpoint
	packets  []tunnelled
}{
	{"known hosts", guarded, []string{"192.0.2.77/32", "2001:db8::77/128"}, nil, []tunnelled{
		inVXLAN(uplink, "world", "host", toHost), inVXLAN(dmz, "dmz", "host", ""), inUDP(dmz, "dmz", "host", toHost),
		inIPIP(uplink, "world", "host", toHost), inIPIP(dmz, "dmz", "host", ""),
		inVXLAN(uplink, "world", "dmz", dmz), inIPIP(dmz, "dmz", "world", uplink),
		inVXLAN(pod1, "pod1", "pod2", ""), inVXLAN(pod1, "pod1", "world", ""), inVXLAN(pod1, "pod1", "host", ""), inUDP(pod1, "pod1", "pod2", pod2),
		inIPIP(pod1, "pod1", "pod2", ""), inIPIP(pod1, "pod1", "host", ""), inVXLAN(uplink, "world", "pod1", pod1),
	}},
	{"one more network is known", guarded, []string{"192.0.2.77/32", "2001:db8::77/128", "203.0.113.0/24", "2001:db8:1::/64"}, nil, []tunnelled{
		inVXLAN(dmz, "dmz", "host", toHost), inIPIP(dmz, "dmz", "host", toHost),
	}},
	{"none is known", guarded, nil, nil, []tunnelled{inVXLAN(uplink, "world", "host", ""), inIPIP(uplink, "world", "host", ""), inUDP(uplink, "world", "host", toHost)}},
	{"workloads may", permissive, []string{"192.0.2.77/32", "2001:db8::77/128"}, nil, []tunnelled{
		inVXLAN(pod1, "pod1", "world", uplink), inIPIP(pod1, "pod1", "world", uplink), inVXLAN(pod1, "pod1", "host", ""),
	}},
	{"no tunnel here", unguarded, nil, nil, []tunnelled{
		inVXLAN(dmz, "dmz", "host", toHost), inIPIP(dmz, "dmz", "host", toHost), inVXLAN(pod1, "pod1", "world", ""), inIPIP(pod1, "pod1", "world", ""),
	}},
	{"policy of host endpoints leaves tunnels alone", guarded, []string{"192.0.2.77/32", "2001:db8::77/128"},
		[]*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{Normal: bothWays(denyAll)})}, []tunnelled{
			inVXLAN(uplink, "world", "host", toHost), inUDP(uplink, "world", "host", ""), inVXLAN(dmz, "dmz", "host", ""),
			inVXLAN(fromHost, "host", "world", uplink), inVXLAN(fromHost, "host", "dmz", ""), inUDP(fromHost, "host", "world", ""),
			inIPIP(uplink, "world", "host", toHost),
			tooBig(uplink, "world", "host", toHost), tooBig(dmz, "dmz", "host", toHost), unreachable(uplink, "world", "host", ""),
		}},
	{"without tunnels no report of sizes has to pass", unguarded, nil, []*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{Normal: bothWays(denyAll)})}, []tunnelled{
		tooBig(uplink, "world", "host", ""),
	}},
	{"policy of host endpoints leaves WireGuard of known hosts alone", encrypting, []string{"192.0.2.77/32", "2001:db8::77/128"},
		[]*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{Normal: bothWays(denyAll)})}, []tunnelled{
			inWireGuard(uplink, "world", "host", toHost), inWireGuard(dmz, "dmz", "host", ""), inUDP(uplink, "world", "host", ""),
			inWireGuard(fromHost, "host", "world", uplink), inWireGuard(fromHost, "host", "dmz", ""),
		}},
	{"WireGuard of others is a packet like any other", encrypting, []string{"192.0.2.77/32", "2001:db8::77/128"}, nil, []tunnelled{
		inWireGuard(dmz, "dmz", "host", toHost), inWireGuard(uplink, "world", "host", toHost), inWireGuard(pod1, "pod1", "pod2", pod2),
	}},
}

// tunnels runs the cases one after the other, as changes of one router.
func tunnels(t *testing.T, open Open) {
	b := newJudged(t, open)
	source := uint16(1024)
	var old *desired.State
	for _, c := range tunnelCases {
		now := tunnelState(t, c.settings, c.members, c.hosts...)
		must(t, b.program(t, old, now))
		for _, s := range c.packets {
			for _, v6 := range []bool{false, true} {
				if v6 && s.protocol == protoIPIP {
					continue // IPv4 alone
				}
				source++
				p := s.probe(v6, source)
				want := expect(now, p)
				if want.out != s.want {
					t.Errorf("%s: %v: the judge says %q; want %q\n%s", c.name, p, want.out, s.want, want.why)
				}
				if s.protocol == protoICMP {
					want.hits = nil // it belongs to no connection: what drops it is no policy
				}
				if err := b.try(p, want); err != nil {
					t.Errorf("%s: %v: %v", c.name, p, err)
				}
			}
		}
		old = now
	}
}

// probe is the packet in a family.
func (s tunnelled) probe(v6 bool, source uint16) probe {
	p := eval.Packet{Src: addressOf(s.src, v6), Dst: addressOf(s.dst, v6), Protocol: s.protocol, DstPort: s.port}
	if s.port != 0 {
		p.SrcPort = source
	}
	if v6 && s.port == wireGuardPort {
		p.DstPort++
	}
	if s.protocol == protoICMP {
		p.ICMPType, p.ICMPCode = s.icmp[0][0], s.icmp[0][1]
		if v6 {
			p.Protocol, p.ICMPType, p.ICMPCode = protoICMPv6, s.icmp[1][0], s.icmp[1][1]
		}
	}
	return probe{s.from, p}
}

// tunnelsUntracked: connections leave VXLAN between known hosts alone, in both directions, and no other UDP.
func tunnelsUntracked(t *testing.T, open Open) {
	b := newJudged(t, open)
	table, err := conntrack.Open(b.Router)
	must(t, err)
	t.Cleanup(func() { must(t, table.Close()) })
	known := []string{"192.0.2.77/32", "2001:db8::77/128"}
	must(t, b.program(t, nil, tunnelState(t, guarded, known)))
	source := uint16(2048)
	for _, v6 := range []bool{false, true} {
		for _, c := range []struct {
			from, src, dst, want string
			port                 uint16
			tracked              bool
		}{
			{uplink, "world", "host", toHost, vxlanPort, false},
			{fromHost, "host", "world", uplink, vxlanPort, false},
			{uplink, "world", "host", toHost, vxlanPort + 1, true},
			{fromHost, "host", "world", uplink, vxlanPort + 1, true},
		} {
			source++
			p := probe{c.from, eval.Packet{Src: addressOf(c.src, v6), Dst: addressOf(c.dst, v6), Protocol: protoUDP, SrcPort: source, DstPort: c.port}}
			must(t, b.try(p, expectation{out: c.want}))
			flows := 0
			must(t, table.List(conntrack.Filter{From: p.packet.Src}, func(f conntrack.Flow) {
				if f.Orig.SrcPort == source {
					flows++
				}
			}))
			if (flows > 0) != c.tracked {
				t.Errorf("%+v: %d connections; want it tracked: %t", p, flows, c.tracked)
			}
		}
	}
}

// tunnelState is a state with known hosts and two workloads that are open.
func tunnelState(t *testing.T, settings desired.Settings, members []string, hosts ...*desired.HostEndpoint) *desired.State {
	t.Helper()
	s := world(t, rule.Allow, 1, 2)
	known := desired.IPSetChange{ID: desired.TunnelPeers, Created: true}
	for _, m := range members {
		known.Added = append(known.Added, desired.Member{Prefix: netip.MustParsePrefix(m)})
	}
	must(t, s.Apply(&desired.Delta{IPSets: []desired.IPSetChange{known}, Policies: []*desired.Policy{denyAll}, HostEndpoints: hosts, Settings: &settings}))
	return s
}
