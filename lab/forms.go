// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab/capture"
)

// Form is how packets between workloads travel, by what the scenario promises: between nodes of one subnet (near) or of two, in the family
// of a.
func (s Scenario) Form(a netip.Addr, near bool) capture.Form {
	if s.Encrypts() {
		return capture.WireGuard
	}
	if mode := s.Wraps(a); mode == v3.EncapNever || mode == v3.EncapCrossSubnet && near {
		return capture.Bare
	}
	if s.Mode == IPIP || s.Mode == IPIPCross {
		return capture.IPIP
	}
	return capture.VXLAN
}

// VNI is the VXLAN network identifier unless FelixConfiguration says otherwise.
const VNI = 4096

// Tap listens on the underlay to what the nodes send. Stop it, and ask Forms about what it has heard.
func (l *Lab) Tap() (*capture.Tap, error) {
	router, err := l.Namespace(roleToR)
	if err != nil {
		return nil, err
	}
	defer func() { _ = router.Close() }()
	var ports []string
	for _, n := range l.Nodes() {
		ports = append(ports, portOf(n))
	}
	return capture.Start(router, ports...)
}

// way is a direction between two subnets, in a family.
type way struct {
	from, to int // indexes of subnets
	v6       bool
}

// Forms compares what was captured with what a scenario promises. It returns what travelled otherwise, and the ways between nodes that have
// workloads on which nothing was seen.
func (l *Lab) Forms(s Scenario, seen map[capture.Packet]int) (wrong []string, err error) {
	workloads, err := l.Workloads()
	if err != nil {
		return nil, err
	}
	homes := map[netip.Addr]nodePlan{}
	for _, w := range workloads {
		home, err := l.node(w.Node)
		if err != nil {
			return nil, err
		}
		for _, a := range w.Addresses {
			homes[a] = home
		}
	}
	missing := waysBetween(homes)
	for p := range seen {
		if p.Form == capture.WireGuard { // nobody sees whose packets are in there
			if src, dst, ok := l.between(p); ok && s.Encrypts() {
				delete(missing, way{src.subnet, dst.subnet, p.Src.Is6()})
			}
			continue
		}
		src, from := homes[p.From]
		dst, to := homes[p.To]
		if !from || !to || src.name == dst.name {
			continue
		}
		near := src.subnet == dst.subnet
		if why := misfit(p, s.Form(p.From, near), src, dst); why != "" {
			wrong = append(wrong, fmt.Sprintf("%d times %s, from %s to %s: %s", seen[p], p, src.name, dst.name, why))
		}
		delete(missing, way{src.subnet, dst.subnet, p.From.Is6()})
	}
	for w := range missing {
		wrong = append(wrong, fmt.Sprintf("nothing was captured from subnet %d to subnet %d (IPv6: %t)", w.from+1, w.to+1, w.v6))
	}
	slices.Sort(wrong)
	return wrong, nil
}

// between returns the nodes that a packet's outer addresses are of.
func (l *Lab) between(p capture.Packet) (src, dst nodePlan, ok bool) {
	found := 0
	for _, n := range l.plan.nodes {
		if n.has(p.Src) {
			src, found = n, found+1
		}
		if n.has(p.Dst) {
			dst, found = n, found+1
		}
	}
	return src, dst, found == 2
}

// waysBetween returns the ways on which packets between workloads of different nodes travel.
func waysBetween(homes map[netip.Addr]nodePlan) map[way]bool {
	ways := map[way]bool{}
	for a, src := range homes {
		for b, dst := range homes {
			if a.Is4() == b.Is4() && src.name != dst.name {
				ways[way{src.subnet, dst.subnet, a.Is6()}] = true
			}
		}
	}
	return ways
}

// misfit says what is wrong with the form of a packet between two nodes; empty: nothing.
func misfit(p capture.Packet, want capture.Form, src, dst nodePlan) string {
	switch {
	case p.Form != want:
		return "promised is " + want.String()
	case p.Form == capture.Bare:
		return ""
	case !src.has(p.Src) || !dst.has(p.Dst):
		return "the outer addresses are not those of the nodes"
	case p.Form == capture.VXLAN && p.VNI != VNI:
		return fmt.Sprintf("the VNI is not %d", VNI)
	}
	return ""
}

// has tells whether a host has an address.
func (h hostPlan) has(a netip.Addr) bool {
	return slices.ContainsFunc(h.addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}
