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

// The policies of the cases below: each is a tier of its own, which denies what the policy leaves undecided.
var (
	allowAll  = policyNamed("allow-all", rule.Rule{Action: rule.Allow})
	denyAll   = policyNamed("deny-all", rule.Rule{Action: rule.Deny})
	undecided = policyNamed("undecided")
	allowWeb  = policyNamed("allow-web", rule.Rule{Action: rule.Allow, Match: rule.Match{Protocol: protoTCP, Dst: onPort(80)}})
	answerWeb = policyNamed("answer-web", rule.Rule{Action: rule.Allow, Match: rule.Match{Protocol: protoTCP, Src: onPort(80)}})
	// denyService is about an address before NAT.
	denyService = policyNamed("deny-service", rule.Rule{Action: rule.Deny, Match: rule.Match{Dst: rule.Side{
		Nets: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:96::/32")},
	}}})
	openProfile = rule.PolicyID{Kind: rule.KindProfile, Name: "all"}
)

func onPort(port uint16) rule.Side {
	return rule.Side{Ports: []rule.PortRange{{Min: port, Max: port}}}
}

func policyNamed(name string, rules ...rule.Rule) *desired.Policy {
	p := &desired.Policy{ID: rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: name}}
	for dir := range p.Rules {
		for i, r := range rules {
			r.ID, r.Index = ruleID(p.ID, dir, i), i
			p.Rules[dir] = append(p.Rules[dir], r)
		}
	}
	return p
}

func tiersOf(policies ...*desired.Policy) []desired.TierPolicies {
	var out []desired.TierPolicies
	for _, p := range policies {
		out = append(out, desired.TierPolicies{Tier: p.ID.Name, Policies: []rule.PolicyID{p.ID}, DefaultAction: rule.Deny})
	}
	return out
}

func bothWays(policies ...*desired.Policy) [2][]desired.TierPolicies {
	return [2][]desired.TierPolicies{tiersOf(policies...), tiersOf(policies...)}
}

func inWay(policies ...*desired.Policy) [2][]desired.TierPolicies {
	return [2][]desired.TierPolicies{rule.Ingress: tiersOf(policies...)}
}

// at is a host endpoint.
func at(link string, e desired.HostEndpoint) *desired.HostEndpoint {
	e.ID.Name, e.Interface = "at-"+link, link
	return &e
}

// sent is a packet of a case and where it must come out: IPv4 and IPv6 alike. Addresses are by name.
type sent struct {
	from, src, dst string
	port           uint16
	want           string
}

var places = map[string][2]string{
	"world": {"192.0.2.77", "2001:db8::77"}, "dmz": {"203.0.113.77", "2001:db8:1::77"}, "host": {"10.99.0.1", "fd00:99::1"},
	"pod1": {"10.65.0.1", "fd00:65::1"}, "pod2": {"10.65.0.2", "fd00:65::2"}, "alias": {"10.66.0.1", "fd00:66::1"},
	"service of pod1": {"10.96.0.1", "fd00:96::1"}, "service of the host": {"10.96.0.9", "fd00:96::9"}, "service in the dmz": {"10.96.0.20", "fd00:96::20"},
	"elsewhere": {"198.51.100.5", "2001:db8:2::5"}, "floating": {"198.18.7.7", "2001:db8:7::7"}, "loopback": {"127.0.0.1", "::1"},
	"nat address": {"203.0.113.200", "fd00:99::1"}, // IPv6 has the host's
}

func addressOf(name string, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(places[name][1])
	}
	return netip.MustParseAddr(places[name][0])
}

func (s sent) packet(v6 bool, source uint16) eval.Packet {
	return eval.Packet{Src: addressOf(s.src, v6), Dst: addressOf(s.dst, v6), Protocol: protoTCP, SrcPort: source, DstPort: s.port}
}

// The ways through a router.
func worldToHost(port uint16, want string) sent { return sent{uplink, "world", "host", port, want} }
func dmzToHost(port uint16, want string) sent   { return sent{dmz, "dmz", "host", port, want} }
func hostToWorld(port uint16, want string) sent { return sent{fromHost, "host", "world", port, want} }
func hostToDMZ(port uint16, want string) sent   { return sent{fromHost, "host", "dmz", port, want} }
func worldToDMZ(port uint16, want string) sent  { return sent{uplink, "world", "dmz", port, want} }
func dmzToWorld(port uint16, want string) sent  { return sent{dmz, "dmz", "world", port, want} }
func worldToPod(port uint16, want string) sent  { return sent{uplink, "world", "pod1", port, want} }
func podToWorld(port uint16, want string) sent  { return sent{Workload(1), "pod1", "world", port, want} }
func podToPod(port uint16, want string) sent    { return sent{Workload(1), "pod1", "pod2", port, want} }
func podToHost(port uint16, want string) sent   { return sent{Workload(1), "pod1", "host", port, want} }
func hostToPod(port uint16, want string) sent   { return sent{fromHost, "host", "pod1", port, want} }

var pod1, pod2 = Workload(1), Workload(2)

// hostCases say what becomes of packets at host endpoints (calico-behaviour §3.5 to 3.8). Workloads are open.
var hostCases = []struct {
	name     string
	hosts    []*desired.HostEndpoint
	settings desired.Settings
	packets  []sent
}{
	{"no host endpoint", nil, desired.Settings{}, []sent{
		worldToHost(80, toHost), hostToWorld(80, uplink), worldToDMZ(80, dmz), worldToPod(80, pod1), podToWorld(80, uplink),
	}},
	{"without policies: closed to the host's processes, open to what is forwarded", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{})}, desired.Settings{}, []sent{
		worldToHost(80, ""), hostToWorld(80, ""), dmzToHost(80, toHost), hostToDMZ(80, dmz),
		worldToDMZ(80, dmz), dmzToWorld(80, uplink), worldToPod(80, pod1), podToWorld(80, uplink), hostToPod(80, pod1),
	}},
	{"open by profile", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Profiles: []rule.PolicyID{openProfile}})}, desired.Settings{}, []sent{
		worldToHost(80, toHost), hostToWorld(80, uplink),
	}},
	{"normal policy", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Normal: inWay(allowWeb), Profiles: []rule.PolicyID{openProfile}})}, desired.Settings{}, []sent{
		worldToHost(80, toHost), worldToHost(81, ""), hostToWorld(81, uplink), worldToDMZ(81, dmz),
	}},
	{"failsafe ports", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{
		Untracked: bothWays(denyAll), PreDNAT: tiersOf(denyAll), Normal: bothWays(denyAll), Forward: bothWays(denyAll),
	})}, desired.Settings{Failsafe: [2][]desired.Failsafe{
		rule.Ingress: {{Protocol: protoTCP, Port: 22}, {Protocol: protoTCP, Port: 23, Net: netip.MustParsePrefix("192.0.2.0/25")}, {Protocol: protoUDP, Port: 80}},
		rule.Egress:  {{Protocol: protoTCP, Port: 179}},
	}}, []sent{
		worldToHost(22, toHost), worldToHost(80, ""), worldToHost(179, ""), hostToWorld(179, uplink), hostToWorld(22, ""),
		worldToDMZ(22, ""), worldToPod(22, ""), dmzToWorld(179, ""),
	}},
	{"forward policy, in", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Forward: inWay(allowWeb), Profiles: []rule.PolicyID{openProfile}})}, desired.Settings{}, []sent{
		worldToDMZ(80, dmz), worldToDMZ(81, ""), worldToPod(80, pod1), worldToPod(81, ""), dmzToWorld(81, uplink), podToWorld(81, uplink), worldToHost(81, toHost),
	}},
	{"forward policy, out", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{
		Forward: [2][]desired.TierPolicies{rule.Egress: tiersOf(allowWeb)}, Profiles: []rule.PolicyID{openProfile},
	})}, desired.Settings{}, []sent{
		dmzToWorld(80, uplink), dmzToWorld(81, ""), podToWorld(80, uplink), podToWorld(81, ""), worldToDMZ(81, dmz), hostToWorld(81, uplink),
	}},
	{"forward policy of both links", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Forward: inWay(allowAll)}), at(dmz, desired.HostEndpoint{Forward: bothWays(allowWeb)})},
		desired.Settings{}, []sent{worldToDMZ(80, dmz), worldToDMZ(81, ""), dmzToWorld(80, uplink), dmzToWorld(81, "")}},
	{"pre-DNAT policy sees the service", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{PreDNAT: tiersOf(denyService), Profiles: []rule.PolicyID{openProfile}})}, desired.Settings{}, []sent{
		{uplink, "world", "service of pod1", 80, ""}, {uplink, "world", "service of the host", 80, ""}, worldToPod(80, pod1), worldToHost(80, toHost),
		{dmz, "dmz", "service of pod1", 80, pod1}, {fromHost, "host", "service in the dmz", 80, dmz},
	}},
	{"pre-DNAT policy that allows is final in, not out", []*desired.HostEndpoint{
		at(uplink, desired.HostEndpoint{PreDNAT: tiersOf(allowWeb), Normal: bothWays(denyAll), Forward: bothWays(denyAll)}), at(dmz, desired.HostEndpoint{Forward: bothWays(denyAll)}),
	}, desired.Settings{}, []sent{
		worldToHost(80, toHost), worldToHost(81, ""), worldToPod(80, pod1), worldToPod(81, ""), worldToDMZ(80, ""), {uplink, "world", "service of pod1", 80, pod1},
	}},
	{"untracked policy that decides nothing", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Untracked: bothWays(undecided), Normal: bothWays(allowWeb)})}, desired.Settings{}, []sent{
		worldToHost(80, toHost), worldToHost(81, ""), hostToWorld(80, uplink), hostToWorld(81, ""), worldToDMZ(81, dmz),
	}},
	{"untracked policy that denies", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Untracked: bothWays(denyAll), Normal: bothWays(allowAll)})}, desired.Settings{}, []sent{
		worldToHost(80, ""), hostToWorld(80, ""), worldToDMZ(80, ""), dmzToWorld(80, uplink), podToWorld(80, uplink),
	}},
	{"untracked policy that allows is final", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{
		Untracked: bothWays(allowWeb, answerWeb), PreDNAT: tiersOf(denyAll), Normal: bothWays(denyAll), Forward: bothWays(denyAll),
	})}, desired.Settings{}, []sent{
		worldToHost(80, toHost), worldToHost(81, ""), hostToWorld(80, uplink), hostToWorld(81, ""), worldToDMZ(80, dmz), dmzToWorld(80, ""),
	}},
	{"policy for any interface", []*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{Normal: inWay(allowWeb), Forward: inWay(allowWeb)})}, desired.Settings{EndpointToHost: desired.HostAccept}, []sent{
		worldToHost(80, toHost), worldToHost(81, ""), dmzToHost(80, toHost), dmzToHost(81, ""), hostToWorld(80, ""), hostToDMZ(80, ""),
		worldToDMZ(80, dmz), worldToDMZ(81, ""), hostToPod(81, pod1), podToHost(81, toHost), podToPod(80, pod2), podToPod(81, ""),
	}},
	{"a name goes before any interface", []*desired.HostEndpoint{
		at(desired.AnyInterface, desired.HostEndpoint{Normal: bothWays(denyAll), Forward: bothWays(denyAll)}), at(dmz, desired.HostEndpoint{Profiles: []rule.PolicyID{openProfile}}),
	}, desired.Settings{}, []sent{
		worldToHost(80, ""), dmzToHost(80, toHost), hostToWorld(80, ""), hostToDMZ(80, dmz), dmzToWorld(80, ""), worldToDMZ(80, ""),
	}},
	{"untracked policy for any interface takes no part", []*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{Untracked: bothWays(denyAll), Normal: bothWays(allowAll)})}, desired.Settings{}, []sent{
		worldToHost(80, toHost), hostToWorld(80, uplink),
	}},
	{"a workload and its host: Drop", nil, desired.Settings{EndpointToHost: desired.HostDrop}, []sent{podToHost(80, ""), hostToPod(80, pod1)}},
	{"a workload and its host: Accept", nil, desired.Settings{EndpointToHost: desired.HostAccept}, []sent{podToHost(80, toHost), hostToPod(80, pod1)}},
	{"a workload and its host: Return", nil, desired.Settings{EndpointToHost: desired.HostReturn}, []sent{podToHost(80, toHost), hostToPod(80, pod1)}},
	{"a workload and its host: Return to policy for any interface", []*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{Normal: inWay(allowWeb)})},
		desired.Settings{EndpointToHost: desired.HostReturn}, []sent{podToHost(80, toHost), podToHost(81, ""), hostToPod(80, pod1)}},
	{"a workload and its host: pre-DNAT policy for any interface", []*desired.HostEndpoint{at(desired.AnyInterface, desired.HostEndpoint{PreDNAT: tiersOf(denyService)})},
		desired.Settings{EndpointToHost: desired.HostAccept}, []sent{podToHost(80, toHost), {pod1, "pod1", "service of the host", 80, ""}}},
	{"the host's packets are judged where they leave after NAT", []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{}), at(dmz, desired.HostEndpoint{Normal: bothWays(allowWeb)})}, desired.Settings{}, []sent{
		{fromHost, "host", "service in the dmz", 80, dmz}, {fromHost, "host", "service in the dmz", 81, ""}, {fromHost, "host", "service of pod1", 81, pod1},
	}},
}

// hostEndpoints runs the cases one after the other, as changes of one router, in both families. What is written here by hand must be what the
// judge says, too.
func hostEndpoints(t *testing.T, open Open) {
	b := newJudged(t, open)
	source := uint16(1024)
	var old *desired.State
	for _, c := range hostCases {
		now := hostState(t, c.settings, c.hosts...)
		must(t, b.program(t, old, now))
		for _, s := range c.packets {
			for _, v6 := range []bool{false, true} {
				source++
				p := probe{s.from, s.packet(v6, source)}
				want := expect(now, p)
				if want.out != s.want {
					t.Errorf("%s: %v: the judge says %q; want %q\n%s", c.name, p, want.out, s.want, want.why)
				}
				if err := b.try(p, want); err != nil {
					t.Errorf("%s: %v: %v", c.name, p, err)
				}
			}
		}
		old = now
	}
}

// hostState is a state with host endpoints and two workloads that are open.
func hostState(t *testing.T, settings desired.Settings, hosts ...*desired.HostEndpoint) *desired.State {
	t.Helper()
	s := world(t, rule.Allow, 1, 2)
	must(t, s.Apply(&desired.Delta{
		Policies:      []*desired.Policy{allowAll, denyAll, undecided, allowWeb, answerWeb, denyService},
		HostEndpoints: hosts, Settings: &settings,
	}))
	return s
}

// hostConnections: answers need no policy, in either direction; but those of untracked packets do, and they leave nothing in the table of
// connections.
func hostConnections(t *testing.T, open Open) {
	b := newJudged(t, open)
	table, err := conntrack.Open(b.Router)
	must(t, err)
	t.Cleanup(func() { must(t, table.Close()) })
	source := uint16(5000)
	for _, c := range []struct {
		name     string
		host     desired.HostEndpoint
		request  sent
		answered bool
		tracked  bool
	}{
		{"in", desired.HostEndpoint{Normal: inWay(allowWeb)}, worldToHost(80, toHost), true, true},
		{"out", desired.HostEndpoint{Normal: [2][]desired.TierPolicies{rule.Egress: tiersOf(allowWeb)}}, hostToWorld(80, uplink), true, true},
		{"forwarded in", desired.HostEndpoint{Forward: [2][]desired.TierPolicies{rule.Ingress: tiersOf(allowWeb), rule.Egress: tiersOf(denyAll)}}, worldToDMZ(80, dmz), true, true},
		{"pre-DNAT", desired.HostEndpoint{PreDNAT: tiersOf(allowWeb)}, worldToHost(80, toHost), true, true},
		{"untracked in, no policy for answers", desired.HostEndpoint{Untracked: inWay(allowWeb)}, worldToHost(80, toHost), false, false},
		{"untracked in", desired.HostEndpoint{Untracked: [2][]desired.TierPolicies{rule.Ingress: tiersOf(allowWeb), rule.Egress: tiersOf(answerWeb)}}, worldToHost(80, toHost), true, false},
		{"untracked out", desired.HostEndpoint{Untracked: [2][]desired.TierPolicies{rule.Ingress: tiersOf(answerWeb), rule.Egress: tiersOf(allowWeb)}}, hostToWorld(80, uplink), true, false},
	} {
		must(t, b.program(t, nil, hostState(t, desired.Settings{}, at(uplink, c.host))))
		for _, v6 := range []bool{false, true} {
			source++
			there := c.request.packet(v6, source)
			back := eval.Packet{Src: there.Dst, Dst: there.Src, Protocol: protoTCP, SrcPort: there.DstPort, DstPort: there.SrcPort}
			got, err := b.exchange(c.request.from, there, tcp(there, tcpSyn, 1000, 0))
			must(t, err)
			if got != c.request.want {
				t.Errorf("%s: the request %+v came out at %q; want %q", c.name, there, got, c.request.want)
			}
			flows := 0
			must(t, table.List(conntrack.Filter{From: there.Src}, func(f conntrack.Flow) {
				if f.Orig.SrcPort == there.SrcPort {
					flows++
				}
			}))
			if (flows > 0) != c.tracked {
				t.Errorf("%s: %d connections of %v; want it tracked: %v", c.name, flows, there.Src, c.tracked)
			}
			from, want := c.request.want, c.request.from
			if from == toHost {
				from = fromHost
			}
			if want == fromHost {
				want = toHost
			}
			got, err = b.exchange(from, back, tcp(back, tcpSyn|tcpAck, 2000, 1001))
			must(t, err)
			if got != outIf(c.answered, want) {
				t.Errorf("%s: the answer %+v came out at %q; want %q", c.name, back, got, outIf(c.answered, want))
			}
		}
	}
}

// hostDiscovery: a host endpoint that is closed both ways lets pass what a host cannot do without on a link of IPv6, and no other ICMPv6.
func hostDiscovery(t *testing.T, open Open) {
	const queries, reports, done, solicitRouter, advertiseRouter, solicit, advertise, redirect, reportsV2, echo = 130, 131, 132, 133, 134, 135, 136, 137, 143, 128
	b := newJudged(t, open)
	for _, link := range []string{uplink, desired.AnyInterface} {
		must(t, b.program(t, nil, hostState(t, desired.Settings{}, at(link, desired.HostEndpoint{Normal: bothWays(denyAll)}))))
		for _, c := range []struct {
			passes bool
			types  []uint8
		}{{true, []uint8{queries, reports, done, solicitRouter, advertiseRouter, solicit, advertise, reportsV2}}, {false, []uint8{echo, redirect}}} {
			for _, typ := range c.types {
				in := eval.Packet{Src: addressOf("world", true), Dst: addressOf("host", true), Protocol: protoICMPv6, ICMPType: typ}
				out := in
				out.Src, out.Dst = in.Dst, in.Src
				b.expect(t, "in", uplink, in, outIf(c.passes, toHost))
				b.expect(t, "out", fromHost, out, outIf(c.passes, uplink))
			}
		}
	}
}
