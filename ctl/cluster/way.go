// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// Places judges a packet on its way through a node from one link to another, "" for a process of the node, and returns every place where something was
// asked. The way does not end where one denies.
func Places(view desired.View, in, out string, p eval.Packet) []eval.Place {
	return places(view, in, out, p, nil)
}

// places is Places with a translation at the node; what is not translated, because it is not tracked, is for the node itself then.
func places(view desired.View, in, out string, p eval.Packet, t *Translation) []eval.Place {
	node := eval.Node{View: view, WorkloadPrefix: own.InterfacePrefix, Route: func(netip.Addr) string { return out }, Thorough: true}
	if t != nil {
		node.NAT = t.Apply
		node.Route = func(to netip.Addr) string {
			if to == t.To.Addr() {
				return out
			}
			return ""
		}
	}
	return node.Pass(in, p).Places
}

// pass judges a packet at a node, if there is one.
func (c *Cluster) pass(node, in, out string, p eval.Packet, t *Translation) []eval.Place {
	if node == "" {
		return nil
	}
	return places(c.View(node), in, out, p, t)
}

// split divides the places of a packet that stays on its node into those on the way out of the source, up to its own policy, and those on the way
// into the destination.
func split(places []eval.Place, in string) (egress, ingress []eval.Place) {
	for i := range slices.Backward(places) {
		if at := &places[i]; at.Dir == rule.Egress && (at.Link == in || in == "") {
			return places[:i+1], places[i+1:]
		}
	}
	return nil, places
}

// absent is the link of a workload that is not in force.
const absent = own.InterfacePrefix + " not in force"

// link returns the one between an end and its node; "" is the node itself.
func (c *Cluster) link(end *End) string {
	if end.Workload == nil {
		return ""
	}
	if ep, ok := c.View(end.Node).Endpoint(end.ID()); ok {
		return ep.Interface
	}
	return absent
}

// away returns the link by which an end's node exchanges packets with an address elsewhere: that of the tunnel whose route leads there, else that of the
// node's own address, if it is the end, else of the address that the node is known by.
func (c *Cluster) away(end *End, addr, other netip.Addr) string {
	if end.Node == "" {
		return ""
	}
	if end.Host() {
		return c.awayFrom(end.Node, other, addr)
	}
	return c.awayFrom(end.Node, other)
}

// awayFrom does so for a node, whose addresses given go before others.
func (c *Cluster) awayFrom(node string, other netip.Addr, first ...netip.Addr) string {
	best := desired.Route{}
	for r := range c.View(node).Routes() {
		if r.Kind == desired.RouteTunnel && r.Dst.Contains(other) && (best.Interface == "" || r.Dst.Bits() > best.Dst.Bits()) {
			best = r
		}
	}
	if best.Interface != "" {
		return best.Interface
	}
	for _, addr := range append(first, c.addrsOf(node, other)...) {
		if name := c.linkWith(node, addr); name != "" {
			return name
		}
	}
	return unnamed
}

// linkWith returns the interface of a node with an address; empty if none has it.
func (c *Cluster) linkWith(node string, addr netip.Addr) string {
	links := c.links(node)
	if at := slices.IndexFunc(links, func(l calc.Link) bool { return slices.Contains(l.Addrs, addr) }); at >= 0 {
		return links[at].Name
	}
	return ""
}

// addrsOf returns the addresses of a node that are of a family, that of BGP first.
func (c *Cluster) addrsOf(node string, family netip.Addr) []netip.Addr {
	var out []netip.Addr
	if n, ok := c.objects[api.Key{Resource: api.Nodes, Name: node}].(*v3.Node); ok && n.Spec.BGP != nil {
		for _, text := range []string{n.Spec.BGP.IPv4Address, n.Spec.BGP.IPv6Address} {
			if p, err := v3.ParseInterfaceCIDR(text); err == nil {
				out = append(out, p.Addr())
			}
		}
	}
	if h := c.hosts[node]; h != nil {
		out = append(out, h.Addrs...)
	}
	return slices.DeleteFunc(out, func(a netip.Addr) bool { return a.Is4() != family.Is4() })
}

// unnamed is the interface of a node that no host endpoint names.
const unnamed = "unnamed"

// links makes up the interfaces of a node, as far as its host endpoints speak of them; the real ones are known to the agent alone. An address that
// none expects is at the only interface that host endpoints name, if there is one.
func (c *Cluster) links(node string) []calc.Link {
	if known, ok := c.ifaces[node]; ok {
		return known
	}
	if c.ifaces == nil {
		c.ifaces = map[string][]calc.Link{}
	}
	c.ifaces[node] = c.makeLinks(node)
	return c.ifaces[node]
}

func (c *Cluster) makeLinks(node string) []calc.Link {
	var out []calc.Link
	taken := map[netip.Addr]bool{}
	put := func(name string, addrs ...netip.Addr) {
		at := slices.IndexFunc(out, func(l calc.Link) bool { return l.Name == name })
		if at < 0 {
			at = len(out)
			out = append(out, calc.Link{Name: name})
		}
		for _, addr := range addrs {
			if !taken[addr] {
				taken[addr] = true
				out[at].Addrs = append(out[at].Addrs, addr)
			}
		}
	}
	hosts := c.hostEndpoints(node)
	for _, h := range hosts {
		if name := h.Spec.InterfaceName; name != "" && name != desired.AnyInterface {
			put(name, expected(h)...)
		}
	}
	rest := unnamed
	if len(out) == 1 {
		rest = out[0].Name
	}
	for _, h := range hosts {
		for _, addr := range expected(h) {
			if h.Spec.InterfaceName == "" && !taken[addr] {
				put("with "+addr.String(), addr)
			}
		}
	}
	if h := c.hosts[node]; h != nil {
		put(rest, h.Addrs...)
	}
	return out
}

// hostEndpoints returns those of a node, in the order in which they came.
func (c *Cluster) hostEndpoints(node string) (out []*v3.HostEndpoint) {
	for _, key := range c.order {
		if h, ok := c.objects[key].(*v3.HostEndpoint); ok && h.Spec.Node == node {
			out = append(out, h)
		}
	}
	return out
}
