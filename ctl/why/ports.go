// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"math"
	"slices"

	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/policy/rule"
)

// span is a range of ports that all get the same verdict.
type span struct {
	rule.PortRange
	allowed bool
}

// spans judges every destination port: the rules in front of both ends can tell ports apart only at the ends of the ranges that they list and at
// the ports of the destination that IP sets hold.
func (q *question) spans() []span {
	var out []span
	starts := q.starts()
	for i, first := range starts {
		last := uint16(math.MaxUint16)
		if i+1 < len(starts) {
			last = starts[i+1] - 1
		}
		p := q.packet
		p.DstPort = first
		allowed := q.judge(p).Allowed()
		if n := len(out); n > 0 && out[n-1].allowed == allowed {
			out[n-1].Max = last
			continue
		}
		out = append(out, span{rule.PortRange{Min: first, Max: last}, allowed})
	}
	return out
}

// starts returns the ports at which the verdict may change, sorted; the first is 1.
func (q *question) starts() []uint16 {
	out := []uint16{1}
	add := func(r rule.PortRange) {
		out = append(out, max(r.Min, 1))
		if r.Max < math.MaxUint16 {
			out = append(out, r.Max+1)
		}
	}
	for _, side := range q.judge(q.packet) {
		for _, r := range ranges(side) {
			add(r)
		}
		for _, ports := range side.Failsafe {
			for _, f := range ports {
				add(rule.PortRange{Min: f.Port, Max: f.Port})
			}
		}
	}
	for _, end := range []*cluster.End{q.src, q.dst} {
		for _, port := range q.memberPorts(end) {
			add(rule.PortRange{Min: port, Max: port})
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// memberPorts returns the ports of the destination that an end's IP sets hold: named ports, and those of services.
func (q *question) memberPorts(end *cluster.End) []uint16 {
	if end.Node == "" {
		return nil
	}
	var out []uint16
	for set := range q.cluster.View(end.Node).IPSets() {
		if set.Kind != rule.SetPort {
			continue
		}
		for m := range set.Members {
			if m.Prefix.Addr() == q.packet.Dst {
				out = append(out, m.Port)
			}
		}
	}
	return out
}

// ranges returns the destination ports that the policy of an end lists.
func ranges(side cluster.Side) []rule.PortRange {
	if side.Uses == nil {
		return nil
	}
	var out []rule.PortRange
	for id := range side.Uses {
		p, ok := side.World.Policy(id)
		if !ok {
			continue
		}
		for _, rules := range p.Rules {
			for i := range rules {
				out = append(out, rules[i].Match.Dst.Ports...)
				out = append(out, rules[i].Match.Dst.NotPorts...)
			}
		}
	}
	return out
}

// widest returns the span with most ports: what a port gets that no rule means.
func widest(list []span) span {
	return slices.MaxFunc(list, func(a, b span) int { return int(a.Max-a.Min) - int(b.Max-b.Min) })
}
