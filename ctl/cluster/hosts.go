// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
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
		texts := []string{}
		if b := o.Spec.BGP; b != nil {
			texts = append(texts, b.IPv4Address, b.IPv6Address, b.IPv4IPIPTunnelAddr)
		}
		for _, a := range o.Spec.Addresses {
			texts = append(texts, a.Address)
		}
		texts = append(texts, o.Spec.IPv4VXLANTunnelAddr, o.Spec.IPv6VXLANTunnelAddr)
		if w := o.Spec.Wireguard; w != nil {
			texts = append(texts, w.InterfaceIPv4Address, w.InterfaceIPv6Address)
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
