// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Host is a node and its own addresses, IPv4 first.
type Host struct{ Addrs []netip.Addr }

// HostPod is a pod that shares its node's network.
type HostPod struct {
	Node  string
	Addrs []netip.Addr
}

type podKey struct{ namespace, name string }

// addHost takes note of the node that an object is, or is on.
func (c *Cluster) addHost(obj api.Object) {
	switch o := obj.(type) {
	case *v3.Node:
		var texts []string
		for _, addr := range o.Addrs() {
			texts = append(texts, addr.String())
		}
		c.host(o.Name, texts)
	case *v3.HostEndpoint:
		c.host(o.Spec.Node, o.Spec.ExpectedIPs)
	}
}

// host adds addresses to a node.
func (c *Cluster) host(name string, texts []string) {
	h := c.hosts[name]
	if h == nil {
		h = &Host{}
		c.hosts[name] = h
	}
	for _, text := range texts {
		if p, err := v3.ParseInterfaceCIDR(text); err == nil && !slices.Contains(h.Addrs, p.Addr()) {
			h.Addrs = append(h.Addrs, p.Addr())
		}
	}
	sortAddrs(h.Addrs)
}

// HostEndpointNodes returns the nodes that have host endpoints, sorted.
func (c *Cluster) HostEndpointNodes() []string {
	nodes := map[string]bool{}
	for _, obj := range c.objects {
		if h, ok := obj.(*v3.HostEndpoint); ok {
			nodes[h.Spec.Node] = true
		}
	}
	return slices.Sorted(maps.Keys(nodes))
}

// expected returns the addresses that a host endpoint expects.
func expected(h *v3.HostEndpoint) (out []netip.Addr) {
	for _, text := range h.Spec.ExpectedIPs {
		if addr, err := v3.ParseIP(text); err == nil {
			out = append(out, addr)
		}
	}
	return out
}
