// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package hostendpoint keeps an automatic host endpoint for each node: [For] is the one of a node, [Reconcile] brings those in a store up to
// date. An automatic host endpoint is for all interfaces and lets everything pass until a policy selects it.
package hostendpoint

import (
	"maps"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
)

// The marks of automatic host endpoints, as Calico's.
const (
	CreatedByLabel = "projectcalico.org/created-by"
	CreatedBy      = "calico-kube-controllers"
	suffix         = "-auto-hep"
	openProfile    = "projectcalico-default-allow"
)

// For returns the automatic host endpoint of a node: it has the node's labels and all its addresses.
func For(n *v3.Node) *v3.HostEndpoint {
	labels := maps.Clone(n.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[CreatedByLabel] = CreatedBy
	return &v3.HostEndpoint{
		ObjectMeta: v3.ObjectMeta{Name: n.Name + suffix, Labels: labels},
		Spec:       v3.HostEndpointSpec{Node: n.Name, InterfaceName: "*", ExpectedIPs: addresses(&n.Spec), Profiles: []string{openProfile}},
	}
}

// addresses returns a node's own addresses and those of its tunnels, each once. What cannot be read is left out: the node is reported for it.
func addresses(s *v3.NodeSpec) []string {
	texts := []string{s.IPv4VXLANTunnelAddr, s.IPv6VXLANTunnelAddr}
	if b := s.BGP; b != nil {
		texts = append([]string{b.IPv4Address, b.IPv6Address, b.IPv4IPIPTunnelAddr}, texts...)
	}
	if w := s.Wireguard; w != nil {
		texts = append(texts, w.InterfaceIPv4Address, w.InterfaceIPv6Address)
	}
	for _, a := range s.Addresses {
		texts = append(texts, a.Address)
	}
	var out []string
	for _, text := range texts {
		if p, err := v3.ParseInterfaceCIDR(text); err == nil && !slices.Contains(out, p.Addr().String()) {
			out = append(out, p.Addr().String())
		}
	}
	return out
}
