// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package preview tells which flows would change their verdict: Compare two clusters, print the Report.
//
// Every pair of endpoints is compared on every port and protocol, and with the addresses outside. To do that for 10,000 endpoints those that
// policy cannot tell apart are one class; rules can tell ports apart only at the ends of the ranges they list, and addresses only at the ends
// of CIDRs. Each class is judged by policy/eval.
package preview

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/policy/rule"
)

// The versions that are compared.
const (
	before = iota
	after
)

// Compare returns the flows between the endpoints of both clusters, and between them and the outside, that one allows and the other denies.
// New endpoints are compared with nothing: they are counted.
func Compare(from, to *cluster.Cluster) *Report {
	wholes := [2]*cluster.Whole{from.Whole(), to.Whole()}
	r := newReport()
	for _, bits := range []int{32, 128} {
		c := newComparison(wholes, bits)
		if bits == 128 && !c.real {
			continue // only addresses that were made up
		}
		c.outside()
		r.add(c.run(), bits)
	}
	r.count(wholes)
	return r.finish()
}

// comparison is that of one IP version.
type comparison struct {
	bits      int
	worlds    [2]*world
	protocols []uint8
	classes   []*class
	byKey     map[string]*class
	sets      map[string]*policySet
	decisions decisions
	outcomes  map[string]*outcome
	taken     map[netip.Addr]bool
	real      bool // some address was not made up, or rules list some
}

func newComparison(wholes [2]*cluster.Whole, bits int) *comparison {
	c := &comparison{bits: bits, byKey: map[string]*class{}, sets: map[string]*policySet{}, outcomes: map[string]*outcome{}, taken: map[netip.Addr]bool{}}
	for v := range c.worlds {
		c.worlds[v] = newWorld(wholes[v], bits)
		c.real = c.real || len(c.worlds[v].cidrs) > 0
	}
	c.protocols = c.allProtocols()
	later := map[string]*cluster.End{}
	for _, end := range wholes[after].Ends() {
		later[end.ID().String()] = end
	}
	for _, end := range wholes[before].Ends() {
		if now := later[end.ID().String()]; now != nil {
			c.addEnd(wholes, [2]*cluster.End{end, now})
		}
	}
	c.addHosts(wholes)
	return c
}

// addHosts puts the nodes that have host endpoints in one of the versions into classes. What goes between a node and its own workloads is not told
// apart from what goes between nodes.
func (c *comparison) addHosts(wholes [2]*cluster.Whole) {
	var hosts [2]map[netip.Addr]*cluster.HostEnd
	var order []*cluster.HostEnd
	for v, w := range wholes {
		hosts[v] = map[netip.Addr]*cluster.HostEnd{}
		for i := range w.Hosts() {
			h := &w.Hosts()[i]
			if v == before || hosts[before][h.Addrs[0]] == nil {
				order = append(order, h)
			}
			hosts[v][h.Addrs[0]] = h
		}
	}
	for _, h := range order {
		if addr := h.Addrs[0]; addr.BitLen() == c.bits && !c.taken[addr] {
			c.addHost(wholes, h, [2]*cluster.HostEnd{hosts[before][addr], hosts[after][addr]})
		}
	}
}

// allProtocols returns those that rules name, the ones with ports, ICMP, and one for all others.
func (c *comparison) allProtocols() []uint8 {
	out := []uint8{protoTCP, protoUDP, protoSCTP, c.icmp(), protoOther}
	for _, w := range c.worlds {
		for p := range w.view.Policies() {
			for _, rules := range p.Rules {
				for i := range rules {
					out = append(out, rules[i].Match.Protocol, rules[i].Match.NotProtocol)
				}
			}
		}
	}
	rank := func(p uint8) int { // ICMP first in both IP versions, so that the same change reads the same
		if p == protoICMPv6 {
			return protoICMP
		}
		return int(p)
	}
	slices.SortFunc(out, func(a, b uint8) int { return rank(a) - rank(b) })
	out = slices.DeleteFunc(out, func(p uint8) bool { return p == 0 || p == protoICMP+protoICMPv6-c.icmp() })
	return slices.Compact(out)
}

// icmp is that of the IP version.
func (c *comparison) icmp() uint8 {
	if c.bits == 32 {
		return protoICMP
	}
	return protoICMPv6
}

// run compares all pairs of classes.
func (c *comparison) run() *groups {
	out := newGroups(c)
	for _, src := range c.classes {
		for _, dst := range c.classes {
			n := len(src.ends) * len(dst.ends)
			if src == dst {
				n -= len(src.ends) // a workload's packets to itself meet no policy
			}
			if n == 0 || src.outside && dst.outside {
				continue
			}
			pair := pair{src: src, dst: dst, flows: n}
			same := true
			for v := range pair.outcomes {
				pair.outcomes[v] = [2]*outcome{rule.Egress: c.outcome(v, rule.Egress, src, dst), rule.Ingress: c.outcome(v, rule.Ingress, dst, src)}
				same = same && pair.outcomes[v] == pair.outcomes[before]
			}
			if !same {
				out.compare(&pair)
			}
		}
	}
	return out
}
