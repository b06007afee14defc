// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
)

// HostEnd is a node with the host endpoint that speaks for its addresses.
type HostEnd struct {
	*End
	Endpoint *desired.HostEndpoint
	Settings *desired.Settings // of that node
	Of       []netip.Addr      // all addresses of the node
}

// Hosts returns the nodes with host endpoints, by name.
func (w *Whole) Hosts() []HostEnd { return w.hosts }

// moveHost gives a host endpoint an interface on the one node that no other has.
func (w *Whole) moveHost(own *v3.HostEndpoint) *v3.HostEndpoint {
	moved := *own
	moved.Spec.Node, moved.Spec.InterfaceName = everywhere, fmt.Sprintf("h%d", w.moved)
	w.moved++
	return &moved
}

// findHosts looks up who speaks for each address of a node.
func (w *Whole) findHosts(c *Cluster) {
	for _, node := range slices.Sorted(maps.Keys(w.nodes)) {
		settings := w.nodes[node].Settings
		for _, addr := range c.hosts[node].Addrs { // others may belong to other interfaces
			end := &End{Name: "node " + node, Node: node, Addrs: []netip.Addr{addr}}
			if h := c.speaker(node, c.linkWith(node, addr)); h != nil && c.nodeAt(addr) == node {
				if ep := w.hostOf(h); ep != nil {
					w.hosts = append(w.hosts, HostEnd{end, ep, settings, c.hosts[node].Addrs})
				}
			}
		}
	}
}

// speaker returns the host endpoint of a node for an interface: the one that names it, else one that expects an address of it, else that for any. Of
// several the first by name has it.
func (c *Cluster) speaker(node, link string) *v3.HostEndpoint {
	expects := func(h *v3.HostEndpoint) bool {
		return slices.ContainsFunc(expected(h), func(addr netip.Addr) bool { return c.linkWith(node, addr) == link })
	}
	var best *v3.HostEndpoint
	bestRank := 0
	for _, h := range c.hostEndpoints(node) {
		rank := 0
		switch name := h.Spec.InterfaceName; {
		case name == link:
			rank = 3
		case name == "" && expects(h):
			rank = 2
		case name == desired.AnyInterface:
			rank = 1
		}
		if rank > bestRank || rank > 0 && rank == bestRank && h.Name < best.Name {
			best, bestRank = h, rank
		}
	}
	return best
}

// hostOf returns what is in force for a host endpoint; one for any interface has no untracked policy.
func (w *Whole) hostOf(h *v3.HostEndpoint) *desired.HostEndpoint {
	ep, ok := w.View.HostEndpoint(desired.EndpointID{Name: h.Name})
	if !ok || h.Spec.InterfaceName != desired.AnyInterface {
		return ep
	}
	any := *ep
	any.Untracked = [2][]desired.TierPolicies{}
	return &any
}

// settings returns those of a node.
func (c *Cluster) settings(node string) *desired.Settings {
	g := calc.New(node)
	for _, key := range c.order {
		if key.Resource == api.FelixConfigurations {
			g.Apply([]calc.Change{{Key: key, Object: c.objects[key]}})
		}
	}
	g.Flush()
	return g.View().Settings()
}
