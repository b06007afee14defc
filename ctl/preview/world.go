// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// world is what is asked of one version of a cluster.
type world struct {
	eval.World
	view desired.View
	// members has the sets that hold each host address, for a set of ports with the port; ports has the ports. cidrs are the sets of more.
	members map[netip.Addr][]string
	ports   map[netip.Addr][]uint16
	cidrs   []cidr
	// written returns what a policy was written as.
	written func(rule.PolicyID) rule.PolicyID
}

// cidr is a range of addresses that a set holds, or (set empty) that rules list.
type cidr struct {
	prefix netip.Prefix
	set    string
}

func newWorld(whole *cluster.Whole, bits int) *world {
	w := &world{World: eval.FromView(whole.View), view: whole.View, written: whole.Written, members: map[netip.Addr][]string{}, ports: map[netip.Addr][]uint16{}}
	for set := range whole.View.IPSets() {
		for m := range set.Members {
			addr := m.Prefix.Addr()
			switch {
			case addr.BitLen() != bits:
			case set.Kind == rule.SetPort:
				w.members[addr] = append(w.members[addr], fmt.Sprintf("%s %d/%d", set.ID, m.Protocol, m.Port))
				w.ports[addr] = append(w.ports[addr], m.Port)
			case m.Prefix.IsSingleIP():
				w.members[addr] = append(w.members[addr], string(set.ID))
			default:
				w.cidrs = append(w.cidrs, cidr{m.Prefix, string(set.ID)})
			}
		}
	}
	for _, prefix := range listed(whole, bits) {
		w.cidrs = append(w.cidrs, cidr{prefix: prefix})
	}
	return w
}

// listed returns the CIDRs in rules and of failsafe ports, each once.
func listed(whole *cluster.Whole, bits int) []netip.Prefix {
	seen := map[netip.Prefix]bool{}
	for _, h := range whole.Hosts() {
		for _, f := range slices.Concat(h.Settings.Failsafe[rule.Ingress], h.Settings.Failsafe[rule.Egress]) {
			if f.Net.IsValid() && f.Net.Addr().BitLen() == bits {
				seen[f.Net] = true
			}
		}
	}
	for p := range whole.View.Policies() {
		for _, rules := range p.Rules {
			for i := range rules {
				m := &rules[i].Match
				for _, prefix := range slices.Concat(m.Src.Nets, m.Src.NotNets, m.Dst.Nets, m.Dst.NotNets) {
					if prefix.Addr().BitLen() == bits {
						seen[prefix] = true
					}
				}
			}
		}
	}
	var out []netip.Prefix
	for prefix := range seen {
		out = append(out, prefix)
	}
	slices.SortFunc(out, desired.ComparePrefixes)
	return out
}

// features returns all by which rules can tell an address from others: sets and CIDRs that hold it, sorted.
func (w *world) features(addr netip.Addr) []string {
	out := slices.Clone(w.members[addr])
	for _, c := range w.cidrs {
		if c.prefix.Contains(addr) {
			if c.set != "" {
				out = append(out, c.set)
			} else {
				out = append(out, c.prefix.String())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// featuresOf returns those that a side of some rules looks at.
func featuresOf(into map[string]bool, s *rule.Side) {
	for _, list := range [][]rule.Set{s.Sets, s.NotSets, s.PortSets, s.NotPortSets} {
		for _, set := range list {
			into[string(set.ID)] = true
		}
	}
	for _, prefix := range slices.Concat(s.Nets, s.NotNets) {
		into[prefix.String()] = true
	}
}
