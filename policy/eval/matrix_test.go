// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// world is policies and set members by hand.
type world struct {
	policies map[rule.PolicyID]*desired.Policy
	sets     map[rule.SetID][]desired.Member
}

func (w world) Policy(id rule.PolicyID) (*desired.Policy, bool) {
	p, ok := w.policies[id]
	return p, ok
}

func (w world) Contains(id rule.SetID, m desired.Member) (holds, known bool) {
	members, known := w.sets[id]
	for _, have := range members {
		if have.Prefix.Contains(m.Prefix.Addr()) && have.Protocol == m.Protocol && have.Port == m.Port {
			return true, true
		}
	}
	return false, known
}

func net(text string) netip.Prefix   { return netip.MustParsePrefix(text) }
func addr(text string) netip.Addr    { return netip.MustParseAddr(text) }
func netSet(id rule.SetID) rule.Set  { return rule.Set{ID: id, Kind: rule.SetNet} }
func portSet(id rule.SetID) rule.Set { return rule.Set{ID: id, Kind: rule.SetPort, Protocol: 6} }

// matrixSets are the sets of the matrix: two of addresses, two of named ports.
var matrixSets = map[rule.SetID][]desired.Member{
	"web":     {{Prefix: net("10.0.0.1/32")}, {Prefix: net("192.0.2.0/24")}, {Prefix: net("fd00::1/128")}},
	"prod":    {{Prefix: net("10.0.0.1/32")}},
	"http":    {{Prefix: net("10.0.0.1/32"), Protocol: 6, Port: 8080}, {Prefix: net("10.0.0.2/32"), Protocol: 6, Port: 80}},
	"service": {{Prefix: net("10.0.0.1/32"), Protocol: 6, Port: 8080}, {Prefix: net("10.0.0.2/32"), Protocol: 17, Port: 53}},
	"dns":     {{Prefix: net("10.0.0.1/32"), Protocol: 6, Port: 53}, {Prefix: net("10.0.0.1/32"), Protocol: 17, Port: 53}},
}

// The packets of the matrix.
var (
	tcp    = eval.Packet{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Protocol: 6, SrcPort: 8080, DstPort: 80}
	back   = eval.Packet{Src: addr("10.0.0.2"), Dst: addr("10.0.0.1"), Protocol: 6, SrcPort: 80, DstPort: 8080}
	tcp6   = eval.Packet{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: 6, SrcPort: 8080, DstPort: 80}
	udp    = eval.Packet{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Protocol: 17, SrcPort: 53, DstPort: 53}
	mapped = eval.Packet{Src: addr("::ffff:10.0.0.1"), Dst: addr("::ffff:10.0.0.2"), Protocol: 6, SrcPort: 8080, DstPort: 80}
	ping   = eval.Packet{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Protocol: 1, ICMPType: 8, ICMPCode: 1}
	ping6  = eval.Packet{Src: addr("fd00::1"), Dst: addr("fd00::2"), Protocol: 58, ICMPType: 128}
)

// matrix has, for each field of rule.Match, packets that it lets match and packets that it keeps from matching.
var matrix = []struct {
	name    string
	match   rule.Match
	yes, no []eval.Packet
}{
	{"nothing stated", rule.Match{}, []eval.Packet{tcp, tcp6, udp, ping, ping6}, nil},
	{"IPv4", rule.Match{IPVersion: 4}, []eval.Packet{tcp, mapped}, []eval.Packet{tcp6}},
	{"IPv6", rule.Match{IPVersion: 6}, []eval.Packet{tcp6}, []eval.Packet{tcp, mapped}},
	{"protocol", rule.Match{Protocol: 6}, []eval.Packet{tcp, tcp6}, []eval.Packet{udp, ping}},
	{"not protocol", rule.Match{NotProtocol: 6}, []eval.Packet{udp, ping}, []eval.Packet{tcp, tcp6}},
	{"protocol and not protocol", rule.Match{Protocol: 6, NotProtocol: 6}, nil, []eval.Packet{tcp, udp}},
	{"ICMP type", rule.Match{Protocol: 1, ICMP: &rule.ICMP{Type: 8}}, []eval.Packet{ping}, []eval.Packet{ping6, tcp}},
	{"other ICMP type", rule.Match{Protocol: 1, ICMP: &rule.ICMP{Type: 3}}, nil, []eval.Packet{ping}},
	{"ICMPv6 type", rule.Match{Protocol: 58, ICMP: &rule.ICMP{Type: 128}}, []eval.Packet{ping6}, []eval.Packet{ping}},
	{"ICMP code", rule.Match{Protocol: 1, ICMP: &rule.ICMP{Type: 8, HasCode: true, Code: 1}}, []eval.Packet{ping}, nil},
	{"other ICMP code", rule.Match{Protocol: 1, ICMP: &rule.ICMP{Type: 8, HasCode: true, Code: 2}}, nil, []eval.Packet{ping}},
	{"ICMP code 0", rule.Match{Protocol: 1, ICMP: &rule.ICMP{Type: 8, HasCode: true}}, nil, []eval.Packet{ping}},
	{"not ICMP type", rule.Match{Protocol: 1, NotICMP: &rule.ICMP{Type: 8}}, nil, []eval.Packet{ping}},
	{"not another ICMP type", rule.Match{Protocol: 1, NotICMP: &rule.ICMP{Type: 3}}, []eval.Packet{ping}, []eval.Packet{tcp}},
	{"not ICMP code", rule.Match{Protocol: 1, NotICMP: &rule.ICMP{Type: 8, HasCode: true, Code: 1}}, nil, []eval.Packet{ping}},
	{"not another ICMP code", rule.Match{Protocol: 1, NotICMP: &rule.ICMP{Type: 8, HasCode: true, Code: 2}}, []eval.Packet{ping}, nil},

	{"source net", rule.Match{Src: rule.Side{Nets: []netip.Prefix{net("10.0.0.0/31")}}}, []eval.Packet{tcp, udp}, []eval.Packet{back, tcp6}},
	{"one of two source nets", rule.Match{Src: rule.Side{Nets: []netip.Prefix{net("172.16.0.0/12"), net("10.0.0.1/32")}}},
		[]eval.Packet{tcp}, []eval.Packet{back}},
	{"any IPv4", rule.Match{Src: rule.Side{Nets: []netip.Prefix{net("0.0.0.0/0")}}}, []eval.Packet{tcp, back}, []eval.Packet{tcp6}},
	{"not source net", rule.Match{Src: rule.Side{NotNets: []netip.Prefix{net("10.0.0.0/31")}}}, []eval.Packet{back}, []eval.Packet{tcp}},
	{"neither of two source nets", rule.Match{Src: rule.Side{NotNets: []netip.Prefix{net("172.16.0.0/12"), net("10.0.0.1/32")}}},
		[]eval.Packet{back}, []eval.Packet{tcp}},
	{"source net with exception",
		rule.Match{Src: rule.Side{Nets: []netip.Prefix{net("10.0.0.0/8")}, NotNets: []netip.Prefix{net("10.0.0.1/32")}}},
		[]eval.Packet{back}, []eval.Packet{tcp, tcp6}},
	{"destination net", rule.Match{Dst: rule.Side{Nets: []netip.Prefix{net("fd00::/64")}}}, []eval.Packet{tcp6}, []eval.Packet{tcp}},
	{"not destination net", rule.Match{Dst: rule.Side{NotNets: []netip.Prefix{net("10.0.0.2/32")}}}, []eval.Packet{back}, []eval.Packet{tcp}},

	{"source set", rule.Match{Src: rule.Side{Sets: []rule.Set{netSet("web")}}}, []eval.Packet{tcp, tcp6}, []eval.Packet{back}},
	{"both source sets", rule.Match{Src: rule.Side{Sets: []rule.Set{netSet("web"), netSet("prod")}}}, []eval.Packet{tcp}, []eval.Packet{tcp6}},
	{"not source set", rule.Match{Src: rule.Side{NotSets: []rule.Set{netSet("web")}}}, []eval.Packet{back}, []eval.Packet{tcp, tcp6}},
	{"neither source set", rule.Match{Src: rule.Side{NotSets: []rule.Set{netSet("prod"), netSet("web")}}}, []eval.Packet{back}, []eval.Packet{tcp6}},
	{"source set and not set", rule.Match{Src: rule.Side{Sets: []rule.Set{netSet("web")}, NotSets: []rule.Set{netSet("prod")}}},
		[]eval.Packet{tcp6}, []eval.Packet{tcp, back}},
	{"source set and net", rule.Match{Src: rule.Side{Sets: []rule.Set{netSet("web")}, Nets: []netip.Prefix{net("10.0.0.2/32")}}},
		nil, []eval.Packet{tcp, back}},
	{"destination set", rule.Match{Dst: rule.Side{Sets: []rule.Set{netSet("web")}}}, []eval.Packet{back}, []eval.Packet{tcp}},
	{"not destination set", rule.Match{Dst: rule.Side{NotSets: []rule.Set{netSet("web")}}}, []eval.Packet{tcp}, []eval.Packet{back}},

	{"destination port", rule.Match{Protocol: 6, Dst: rule.Side{Ports: []rule.PortRange{{Min: 80, Max: 80}}}},
		[]eval.Packet{tcp}, []eval.Packet{back, udp}},
	{"destination port range", rule.Match{Protocol: 6, Dst: rule.Side{Ports: []rule.PortRange{{Min: 1, Max: 79}, {Min: 80, Max: 8079}}}},
		[]eval.Packet{tcp}, []eval.Packet{back}},
	{"end of a port range", rule.Match{Protocol: 6, Dst: rule.Side{Ports: []rule.PortRange{{Min: 81, Max: 8080}}}},
		[]eval.Packet{back}, []eval.Packet{tcp}},
	{"not destination port", rule.Match{Protocol: 6, Dst: rule.Side{NotPorts: []rule.PortRange{{Min: 79, Max: 80}}}},
		[]eval.Packet{back}, []eval.Packet{tcp}},
	{"destination port name", rule.Match{Protocol: 6, Dst: rule.Side{PortSets: []rule.Set{portSet("http")}}},
		[]eval.Packet{tcp, back}, []eval.Packet{tcp6, udp}},
	{"port name or number", rule.Match{Protocol: 6, Dst: rule.Side{Ports: []rule.PortRange{{Min: 80, Max: 80}}, PortSets: []rule.Set{portSet("http")}}},
		[]eval.Packet{tcp, back, tcp6}, nil},
	{"port name of another protocol", rule.Match{Protocol: 6, Src: rule.Side{PortSets: []rule.Set{portSet("dns")}}}, nil, []eval.Packet{tcp}},
	{"port name by protocol", rule.Match{Protocol: 17, Src: rule.Side{PortSets: []rule.Set{portSet("dns")}}}, []eval.Packet{udp}, nil},
	{"service: ports of any protocol", rule.Match{Dst: rule.Side{PortSets: []rule.Set{{ID: "service", Kind: rule.SetPort}}}},
		[]eval.Packet{udp, back}, []eval.Packet{tcp, tcp6, ping}},
	{"not destination port name", rule.Match{Protocol: 6, Dst: rule.Side{NotPortSets: []rule.Set{portSet("http")}}},
		[]eval.Packet{tcp6}, []eval.Packet{tcp, back}},
	{"source port", rule.Match{Protocol: 6, Src: rule.Side{Ports: []rule.PortRange{{Min: 80, Max: 80}}}}, []eval.Packet{back}, []eval.Packet{tcp}},
	{"not source port", rule.Match{Protocol: 6, Src: rule.Side{NotPorts: []rule.PortRange{{Min: 80, Max: 80}}}}, []eval.Packet{tcp}, []eval.Packet{back}},
	{"source port name", rule.Match{Protocol: 6, Src: rule.Side{PortSets: []rule.Set{portSet("http")}}},
		[]eval.Packet{tcp, back}, []eval.Packet{tcp6}},
	{"not source port name", rule.Match{Protocol: 6, Src: rule.Side{NotPortSets: []rule.Set{portSet("http")}}},
		[]eval.Packet{tcp6}, []eval.Packet{tcp}},
	{"both ends", rule.Match{Src: rule.Side{Sets: []rule.Set{netSet("web")}}, Dst: rule.Side{Nets: []netip.Prefix{net("10.0.0.2/32")}}},
		[]eval.Packet{tcp, udp, ping}, []eval.Packet{back, tcp6}},
}

// judge evaluates one Allow rule as the only policy.
func judge(m rule.Match, p eval.Packet) rule.Action {
	id := rule.PolicyID{Name: "p"}
	w := world{
		policies: map[rule.PolicyID]*desired.Policy{id: {ID: id, Rules: [2][]rule.Rule{{{ID: "r", Action: rule.Allow, Match: m}}}}},
		sets:     matrixSets,
	}
	r := eval.Evaluate(w, ingress(desired.TierPolicies{Tier: "default", Policies: []rule.PolicyID{id}, DefaultAction: rule.Deny}), rule.Ingress, p)
	return r.Verdict
}

func ingress(tiers ...desired.TierPolicies) *desired.Endpoint {
	return &desired.Endpoint{Tiers: [2][]desired.TierPolicies{rule.Ingress: tiers}}
}

func TestMatrix(t *testing.T) {
	tried := map[string][2]bool{} // field: seen in a match, in a mismatch
	for _, c := range matrix {
		for _, p := range c.yes {
			if got := judge(c.match, p); got != rule.Allow {
				t.Errorf("%s: %+v gives %s, want a match", c.name, p, got)
			}
		}
		for _, p := range c.no {
			if got := judge(c.match, p); got != rule.Deny {
				t.Errorf("%s: %+v gives %s, want no match", c.name, p, got)
			}
		}
		for _, field := range statedFields(reflect.ValueOf(c.match), "") {
			seen := tried[field]
			tried[field] = [2]bool{seen[0] || len(c.yes) > 0, seen[1] || len(c.no) > 0}
		}
	}
	for _, field := range allFields(reflect.TypeFor[rule.Match](), "") {
		if tried[field] != [2]bool{true, true} {
			t.Errorf("rule.Match%s has no case where it matches and one where it does not: %v", field, tried[field])
		}
	}
}

// allFields returns the paths of the leaves of a struct. Lists are leaves.
func allFields(t reflect.Type, path string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return []string{path}
	}
	var out []string
	for f := range t.Fields() {
		out = append(out, allFields(f.Type, path+"."+f.Name)...)
	}
	return out
}

// statedFields returns the paths of the leaves that are not zero.
func statedFields(v reflect.Value, path string) []string {
	switch {
	case v.IsZero():
		return nil
	case v.Kind() == reflect.Pointer:
		return statedFields(v.Elem(), path)
	case v.Kind() != reflect.Struct:
		return []string{path}
	}
	var out []string
	for i, f := range v.Fields() {
		out = append(out, statedFields(f, path+"."+i.Name)...)
	}
	return out
}
