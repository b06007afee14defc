// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

// serviceAdverts returns what a node announces of services.
func (c *Cluster) serviceAdverts(me *v3.Node) (out []netip.Prefix) {
	if _, ok := me.Labels["node.kubernetes.io/exclude-from-external-load-balancers"]; ok {
		return nil
	}
	config := c.config("default")
	for _, block := range slices.Concat(config.ServiceClusterIPs, config.ServiceExternalIPs) {
		out = append(out, netip.MustParsePrefix(block.CIDR))
	}
	whole := func(block v3.CIDRBlock) bool {
		return config.ServiceLoadBalancerAggregation != "Disabled" && !netip.MustParsePrefix(block.CIDR).IsSingleIP()
	}
	for _, block := range config.ServiceLoadBalancerIPs {
		if whole(block) {
			out = append(out, netip.MustParsePrefix(block.CIDR))
		}
	}
	for _, s := range c.services {
		if s.Spec.Type == corev1.ServiceTypeExternalName {
			continue
		}
		local := s.Spec.ExternalTrafficPolicy == "Local"
		for _, text := range append(slices.Clone(s.Spec.ClusterIPs), s.Spec.ClusterIP) {
			if _, in := holding(config.ServiceClusterIPs, text); in && local && c.endpointOn(me.Name, s, text) {
				out = append(out, single(text))
			}
		}
		for _, text := range s.Spec.ExternalIPs {
			if _, in := holding(config.ServiceExternalIPs, text); in && local && c.endpointOn(me.Name, s, text) {
				out = append(out, single(text))
			}
		}
		for _, i := range s.Status.LoadBalancer.Ingress {
			block, in := holding(config.ServiceLoadBalancerIPs, i.IP)
			if in && s.Spec.Type == corev1.ServiceTypeLoadBalancer && (local && c.endpointOn(me.Name, s, i.IP) || !local && !whole(block)) {
				out = append(out, single(i.IP))
			}
		}
	}
	return out
}

// holding returns the first range that an address is in; what is none is in none.
func holding(blocks []v3.CIDRBlock, text string) (v3.CIDRBlock, bool) {
	addr, err := netip.ParseAddr(text)
	for _, block := range blocks {
		if err == nil && netip.MustParsePrefix(block.CIDR).Contains(addr) {
			return block, true
		}
	}
	return v3.CIDRBlock{}, false
}

func single(text string) netip.Prefix {
	addr := netip.MustParseAddr(text)
	return netip.PrefixFrom(addr, addr.BitLen())
}

// endpointOn tells whether a service has a ready endpoint on a node, of the family of an address.
func (c *Cluster) endpointOn(node string, s *corev1.Service, addr string) bool {
	kind := map[bool]string{true: "IPv4", false: "IPv6"}[netip.MustParseAddr(addr).Is4()]
	for _, slice := range c.slices {
		if slice.Namespace != s.Namespace || slice.Labels["kubernetes.io/service-name"] != s.Name || string(slice.AddressType) != kind {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.NodeName != nil && *e.NodeName == node && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				return true
			}
		}
	}
	return false
}
