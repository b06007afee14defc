// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"net/netip"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Nearest is a rule that nearly allowed a flow.
type Nearest struct {
	Policy string `json:"policy"`
	Index  int    `json:"index"`
	Rule   string `json:"rule"`
	// Differs says what about the flow the rule does not mean, with the value that it has.
	Differs []string `json:"differs"`
}

// nearest returns the Allow rule with the fewest differences, nil if the policies have none.
func (q *question) nearest(side cluster.Side, dir rule.Direction, ids []rule.PolicyID) *Nearest {
	var best *Nearest
	for _, id := range ids {
		p, ok := side.World.Policy(id)
		if !ok {
			continue
		}
		for i := range p.Rules[dir] {
			r := &p.Rules[dir][i]
			if r.Action != rule.Allow {
				continue
			}
			if differs := q.differs(side.World, &r.Match, side.At.Packet); best == nil || len(differs) < len(best.Differs) {
				best = &Nearest{Policy: id.String(), Index: r.Index, Rule: r.Text, Differs: differs}
			}
		}
	}
	return best
}

// differs holds each part of a match by itself against the flow, as it is seen where it is denied.
func (q *question) differs(w eval.World, m *rule.Match, p eval.Packet) []string {
	ends := func(s rule.Side) rule.Side {
		return rule.Side{Nets: s.Nets, NotNets: s.NotNets, Sets: s.Sets, NotSets: s.NotSets}
	}
	ports := func(s rule.Side) rule.Side {
		return rule.Side{Ports: s.Ports, NotPorts: s.NotPorts, PortSets: s.PortSets, NotPortSets: s.NotPortSets}
	}
	port := fmt.Sprintf("not port %d", p.DstPort)
	if q.anyPort {
		port = "not all ports"
	}
	var out []string
	for _, part := range []struct {
		match rule.Match
		text  string
	}{
		{rule.Match{IPVersion: m.IPVersion}, "not " + version(p.Dst)},
		{rule.Match{Protocol: m.Protocol, NotProtocol: m.NotProtocol}, "not protocol " + v3.ProtocolName(p.Protocol)},
		{rule.Match{ICMP: m.ICMP, NotICMP: m.NotICMP}, fmt.Sprintf("not ICMP type %d code %d", p.ICMPType, p.ICMPCode)},
		{rule.Match{Src: ends(m.Src)}, "not the source: " + q.describe(q.src, p.Src, m.Src)},
		{rule.Match{Src: ports(m.Src)}, fmt.Sprintf("not source port %d", p.SrcPort)},
		{rule.Match{Dst: ends(m.Dst)}, "not the destination: " + q.describe(q.dst, p.Dst, m.Dst)},
		{rule.Match{Dst: ports(m.Dst)}, port},
	} {
		if !meets(w, part.match, p) {
			out = append(out, part.text)
		}
	}
	return out
}

// meets asks the evaluator about one match.
func meets(w eval.World, m rule.Match, p eval.Packet) bool {
	id := rule.PolicyID{Kind: rule.KindProfile, Name: "part"}
	one := oneRule{w, &desired.Policy{ID: id, Rules: [2][]rule.Rule{rule.Ingress: {{Action: rule.Allow, Match: m}}}}}
	r := eval.Evaluate(one, &desired.Endpoint{Profiles: []rule.PolicyID{id}}, rule.Ingress, p)
	return r.Verdict == rule.Allow
}

// oneRule is a world of one policy.
type oneRule struct {
	eval.World
	policy *desired.Policy
}

// Policy implements eval.World.
func (w oneRule) Policy(rule.PolicyID) (*desired.Policy, bool) { return w.policy, true }

// describe names an end with the labels that a rule asks for, or the address that it has got by a translation.
func (q *question) describe(end *cluster.End, addr netip.Addr, side rule.Side) string {
	text := end.Name
	if addr != q.packet.Src && addr != q.packet.Dst {
		text = addr.String() + " in place of " + text
	}
	for _, t := range q.cluster.At(addr) {
		labels := map[string]string{}
		for _, set := range slices.Concat(side.Sets, side.NotSets) {
			if !t.SeenBy(set) {
				continue // or a service
			}
			for _, name := range set.Selector.LabelNames() {
				if value, ok := t.Labels.Get(name); ok {
					labels[name] = value
				}
			}
		}
		if len(labels) > 0 {
			text += " has " + labelText(labels)
		}
	}
	return text
}
