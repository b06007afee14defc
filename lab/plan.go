// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/sys/own"
)

// Roles of the namespaces that are no nodes; each is the last part of a namespace name.
const (
	roleToR       = "tor"
	roleExternal  = "ext"
	roleReflector = "rr"
)

// External is the name by which probes address the external host behind the router.
const External = roleExternal

// subnetPrefixes are the underlay's subnets, IPv4 and IPv6 (RFC 1918, RFC 4193). The router is host 1 in each.
var subnetPrefixes = [][]netip.Prefix{
	{netip.MustParsePrefix("172.30.1.0/24"), netip.MustParsePrefix("fd30:1::/64")},
	{netip.MustParsePrefix("172.30.2.0/24"), netip.MustParsePrefix("fd30:2::/64")},
}

// stubPrefixes are the network behind the router (documentation ranges, RFC 5737 and RFC 3849).
var stubPrefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:100::/64")}

// Host numbers within a subnet.
const (
	hostRouter    = 1
	hostReflector = 2
	hostExternal  = 10
	hostFirstNode = 11
)

// plan is the topology of a lab: pure arithmetic over its Spec.
type plan struct {
	nodes   []nodePlan
	subnets []subnetPlan
	// external is the host behind the router, with its own subnet.
	external hostPlan
	// reflector lives in the first subnet.
	reflector hostPlan
}

// hostPlan is a namespace with one link to the router's namespace.
type hostPlan struct {
	name string // "n1", "ext", "rr"
	// addrs are the host's, with their subnet, in the order of the families.
	addrs []netip.Prefix
	// gateways are the router's addresses in the same subnet and order.
	gateways []netip.Prefix
	// bridge is the router's link for the subnet.
	bridge string
}

type nodePlan struct {
	hostPlan
	subnet int // index into plan.subnets
}

type subnetPlan struct {
	bridge   string
	prefixes []netip.Prefix // masked
	gateways []netip.Prefix // the router's addresses with prefix length
}

func newPlan(s Spec) plan {
	var p plan
	for i := range s.Subnets {
		p.subnets = append(p.subnets, newSubnet(fmt.Sprintf("net%d", i+1), subnetPrefixes[i], s.Families))
	}
	half := (s.Nodes + s.Subnets - 1) / s.Subnets
	for i := range s.Nodes {
		subnet := i / half
		p.nodes = append(p.nodes, nodePlan{
			hostPlan: p.subnets[subnet].host(nodeName(i), hostFirstNode+i),
			subnet:   subnet,
		})
	}
	p.external = newSubnet("stub", stubPrefixes, s.Families).host(roleExternal, hostExternal)
	p.reflector = p.subnets[0].host(roleReflector, hostReflector)
	return p
}

func newSubnet(bridge string, prefixes []netip.Prefix, f Families) subnetPlan {
	s := subnetPlan{bridge: bridge}
	for _, prefix := range prefixes {
		if f.Has(prefix.Addr()) {
			s.prefixes = append(s.prefixes, prefix)
			s.gateways = append(s.gateways, hostAddr(prefix, hostRouter))
		}
	}
	return s
}

func (s subnetPlan) host(name string, number int) hostPlan {
	h := hostPlan{name: name, gateways: s.gateways, bridge: s.bridge}
	for _, prefix := range s.prefixes {
		h.addrs = append(h.addrs, hostAddr(prefix, number))
	}
	return h
}

// hostAddr returns address number n of a subnet with the subnet's length; n is below 256.
func hostAddr(prefix netip.Prefix, n int) netip.Prefix {
	raw := prefix.Masked().Addr().AsSlice()
	raw[len(raw)-1] += byte(n)
	addr, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(addr, prefix.Bits())
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

// namespace returns the name of the network namespace of a member of the lab.
func namespace(lab, member string) string { return own.NamespacePrefix + lab + "-" + member }
