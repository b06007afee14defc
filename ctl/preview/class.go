// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// class is endpoints, or addresses outside, that policy of neither version tells apart.
type class struct {
	index    int
	ends     []member
	addrs    [2]netip.Addr // of one of them, by version
	outside  bool
	features [2][]string
	ports    [2][]uint16      // that sets hold
	policies [2][2]*policySet // by version and direction; nil: none judges
	// nodes are those of the ends where policy depends on the way through the node, by version; nil elsewhere.
	nodes [2]*cluster.Node
	host  bool // the ends are nodes themselves
}

// member is one of a class.
type member struct {
	name, namespace string
	labels          map[string]string
}

// addEnd puts an endpoint into its class. One without an address of the IP version in both versions has no flows to compare.
func (c *comparison) addEnd(wholes [2]*cluster.Whole, end [2]*cluster.End) {
	cl := &class{}
	for v, w := range c.worlds {
		at := slices.IndexFunc(end[v].Addrs, func(a netip.Addr) bool { return a.BitLen() == c.bits })
		if at < 0 {
			return
		}
		cl.addrs[v] = end[v].Addrs[at]
		c.taken[cl.addrs[v]] = true
		c.real = c.real || !wholes[v].Made(cl.addrs[v])
		cl.features[v], cl.ports[v] = w.features(cl.addrs[v]), w.ports[cl.addrs[v]]
		ep, inForce := wholes[v].Endpoint(end[v])
		if wholes[before].Crossed(end[v].Node) || wholes[after].Crossed(end[v].Node) {
			cl.nodes[v] = wholes[v].Node(end[v].Node)
		}
		for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
			cl.policies[v][dir] = c.policySet(v, dir, ep, inForce, cl.nodes[v])
		}
	}
	w := end[after].Workload
	c.add(cl, member{end[after].Name, w.Namespace, w.Labels})
}

// addHost puts an address of a node into its class. In a version without host endpoint no policy judges there.
func (c *comparison) addHost(wholes [2]*cluster.Whole, end *cluster.HostEnd, of [2]*cluster.HostEnd) {
	addr := end.Addrs[0]
	cl := &class{addrs: [2]netip.Addr{addr, addr}, host: true}
	c.taken[addr], c.real = true, true
	for v, w := range c.worlds {
		cl.features[v], cl.ports[v] = w.features(addr), w.ports[addr]
		if slices.ContainsFunc(wholes[:], func(w *cluster.Whole) bool { return w.Crossed(end.Node) || w.Named(end.Node) }) {
			cl.nodes[v] = wholes[v].Node(end.Node)
		}
		for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
			switch {
			case cl.nodes[v] != nil:
				cl.policies[v][dir] = c.nodePolicySet(v, dir, cl.nodes[v], addr)
			case of[v] != nil:
				cl.policies[v][dir] = c.hostPolicySet(v, dir, of[v])
			}
		}
	}
	name := end.Name
	if len(end.Of) > 1 {
		name += " at " + addr.String()
	}
	c.add(cl, member{name: name, namespace: hostsPlace})
}

// hostsPlace stands for the namespace of nodes, which have none.
const hostsPlace = "nodes"

// outside makes classes of addresses that are no endpoint's. What rules can tell apart begins where a CIDR begins, or behind its end.
func (c *comparison) outside() {
	somewhere := netip.MustParseAddr("198.18.0.1") // benchmarking (RFC 2544) and, below, documentation (RFC 3849): nobody's
	if c.bits == 128 {
		somewhere = netip.MustParseAddr("2001:db8:ffff:ffff::1")
	}
	candidates := []netip.Addr{somewhere}
	for _, w := range c.worlds {
		for _, cidr := range w.cidrs {
			candidates = append(candidates, cidr.prefix.Addr(), lastOf(cidr.prefix).Next())
		}
		for addr := range w.members {
			candidates = append(candidates, addr)
		}
	}
	slices.SortFunc(candidates[1:], netip.Addr.Compare)
	for _, addr := range candidates {
		if !addr.IsValid() || addr.IsUnspecified() || addr.BitLen() != c.bits || c.taken[addr] {
			continue
		}
		cl := &class{addrs: [2]netip.Addr{addr, addr}, outside: true}
		for v, w := range c.worlds {
			cl.features[v], cl.ports[v] = w.features(addr), w.ports[addr]
		}
		if _, known := c.byKey[cl.key()]; !known {
			c.add(cl, member{name: c.nameOutside(addr)})
		}
	}
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(bytes); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// nameOutside names addresses by the smallest CIDR around them.
func (c *comparison) nameOutside(addr netip.Addr) string {
	best := netip.Prefix{}
	for _, w := range c.worlds {
		for _, cidr := range w.cidrs {
			if cidr.prefix.Contains(addr) && (!best.IsValid() || cidr.prefix.Bits() > best.Bits()) {
				best = cidr.prefix
			}
		}
		if len(w.members[addr]) > 0 {
			best = desired.HostPrefix(addr)
		}
	}
	if !best.IsValid() || best.Bits() == 0 {
		return "outside"
	}
	return "outside " + best.String()
}

func (c *comparison) add(cl *class, m member) {
	key := cl.key()
	known, ok := c.byKey[key]
	if !ok {
		cl.index = len(c.classes)
		c.classes = append(c.classes, cl)
		c.byKey[key] = cl
		known = cl
	}
	known.ends = append(known.ends, m)
}

// key is equal for what policy does not tell apart.
func (cl *class) key() string {
	var b strings.Builder
	fmt.Fprint(&b, cl.outside, cl.host)
	for v := range cl.features {
		fmt.Fprintf(&b, "|%s|%p", strings.Join(cl.features[v], ","), cl.nodes[v])
		for _, set := range cl.policies[v] {
			fmt.Fprintf(&b, "|%p", set)
		}
	}
	return b.String()
}
