// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

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
	moved.Spec.Node, moved.Spec.InterfaceName = everywhere, fmt.Sprintf("h%d", len(w.hostObjects))
	w.hostObjects = append(w.hostObjects, own)
	return &moved
}

// findHosts looks up who speaks for each node, as Cluster.hostEndpoint does with one node's desired state.
func (w *Whole) findHosts(c *Cluster) {
	byNode := map[string][]*v3.HostEndpoint{}
	for _, h := range w.hostObjects {
		byNode[h.Spec.Node] = append(byNode[h.Spec.Node], h)
	}
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		byNode[node] = withoutRivals(byNode[node])
		settings := c.settings(node)
		for _, addr := range c.hosts[node].Addrs { // others may belong to other interfaces
			end := &End{Name: "node " + node, Node: node, Addrs: []netip.Addr{addr}}
			if ep := w.speaker(byNode[node], end); ep != nil && c.nodeAt(addr) == node {
				w.hosts = append(w.hosts, HostEnd{end, ep, settings, c.hosts[node].Addrs})
			}
		}
	}
}

// withoutRivals leaves out host endpoints for interfaces that others, first by name, are for. Without an interface it is addresses that count.
func withoutRivals(hosts []*v3.HostEndpoint) (out []*v3.HostEndpoint) {
	slices.SortFunc(hosts, func(a, b *v3.HostEndpoint) int { return strings.Compare(a.Name, b.Name) })
	taken := map[string]bool{}
	for _, h := range hosts {
		claims := []string{h.Spec.InterfaceName}
		if h.Spec.InterfaceName == "" {
			claims = nil
			for _, addr := range expected(h) {
				claims = append(claims, addr.String())
			}
		}
		claims = slices.DeleteFunc(claims, func(claim string) bool { return taken[claim] })
		for _, claim := range claims {
			taken[claim] = true
		}
		if len(claims) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// speaker returns the host endpoint of a node that speaks for an address: the one that expects it, else the only one with an interface, else that
// for any interface.
func (w *Whole) speaker(hosts []*v3.HostEndpoint, end *End) *desired.HostEndpoint {
	var named, anywhere []*v3.HostEndpoint
	for _, h := range hosts {
		switch {
		case h.Spec.InterfaceName == desired.AnyInterface:
			anywhere = append(anywhere, h)
		case expects(h, end):
			return w.hostOf(h)
		default:
			named = append(named, h)
		}
	}
	switch {
	case len(named) == 1:
		return w.hostOf(named[0])
	case len(anywhere) > 0:
		return w.hostOf(anywhere[0])
	}
	return nil
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
