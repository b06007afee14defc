// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// Node is a node with its host endpoints, and their policy in the state of a Whole.
type Node struct {
	Name     string
	Hosts    []*desired.HostEndpoint // in front of the interfaces that the node is taken to have
	Settings *desired.Settings
	whole    *Whole
}

// Links as [Node.Places] takes them, besides those of the node itself.
const (
	OwnProcess   = ""                            // the node
	OtherOnNode  = own.InterfacePrefix + " peer" // another workload of the node
	ownInterface = own.InterfacePrefix + " own"
)

// Node returns a node, with or without host endpoints.
func (w *Whole) Node(name string) *Node {
	n := w.nodes[name]
	if n == nil {
		n = &Node{Name: name, Settings: w.cluster.settings(name), whole: w}
		w.nodes[name] = n
	}
	return n
}

// Crossed tells whether workloads of a node meet policy of its host endpoints: untracked, pre-DNAT or forward.
func (w *Whole) Crossed(node string) bool { return w.nodes[node] != nil && w.nodes[node].crossed() }

// Named tells whether it depends on the interface which host endpoint a node's packets meet.
func (w *Whole) Named(node string) bool { return w.nodes[node] != nil && w.nodes[node].named() }

// findNodes puts the host endpoints of each node in front of its interfaces.
func (w *Whole) findNodes(c *Cluster) {
	w.nodes = map[string]*Node{}
	for _, name := range c.HostEndpointNodes() {
		n := &Node{Name: name, Settings: c.settings(name), whole: w}
		for _, l := range c.links(name) {
			n.put(c, l.Name)
		}
		n.put(c, desired.AnyInterface)
		w.nodes[name] = n
	}
}

func (n *Node) put(c *Cluster, link string) {
	h := c.speaker(n.Name, link)
	if h == nil || (h.Spec.InterfaceName == desired.AnyInterface) != (link == desired.AnyInterface) {
		return
	}
	if ep := n.whole.hostOf(h); ep != nil {
		at := *ep
		at.ID, at.Interface = desired.EndpointID{Name: h.Name}, link
		n.Hosts = append(n.Hosts, &at)
	}
}

func (n *Node) crossed() bool {
	return slices.ContainsFunc(n.Hosts, func(h *desired.HostEndpoint) bool {
		tiers := len(h.PreDNAT)
		for dir := range h.Forward {
			tiers += len(h.Forward[dir]) + len(h.Untracked[dir])
		}
		return tiers > 0
	})
}

func (n *Node) named() bool {
	return slices.ContainsFunc(n.Hosts, func(h *desired.HostEndpoint) bool { return h.Interface != desired.AnyInterface })
}

// Away returns the link to an address elsewhere, for packets from or to a workload, or an address of the node that is given.
func (n *Node) Away(other netip.Addr, own ...netip.Addr) string {
	if !n.named() {
		return unnamed // all are alike
	}
	return n.whole.cluster.awayFrom(n.Name, other, own...)
}

// Places judges a packet at the node, on its way out of an endpoint (rule.Egress) or into it, as far as it concerns that end; nil is the node itself. The other
// end is behind a link.
func (n *Node) Places(ep *desired.Endpoint, dir rule.Direction, other string, p eval.Packet) []eval.Place {
	view, mine := nodeView{View: n.whole.View, node: n}, OwnProcess
	if ep != nil {
		at := *ep
		at.Interface, at.Addrs, mine = ownInterface, []netip.Addr{p.Src, p.Dst}, ownInterface
		view.endpoint = &at
	}
	in, out := mine, other
	if dir == rule.Ingress {
		in, out = other, mine
	}
	places := Places(view, in, out, p)
	if other != OwnProcess && other != OtherOnNode {
		return places
	}
	egress, ingress := split(places, in)
	if dir == rule.Ingress {
		return ingress
	}
	return egress
}

// nodeView is the state of a Whole as a node with one workload has it.
type nodeView struct {
	desired.View
	node     *Node
	endpoint *desired.Endpoint
}

// Endpoints implements desired.View.
func (v nodeView) Endpoints() iter.Seq[*desired.Endpoint] {
	if v.endpoint == nil {
		return slices.Values([]*desired.Endpoint(nil))
	}
	return slices.Values([]*desired.Endpoint{v.endpoint})
}

// HostEndpoints implements desired.View.
func (v nodeView) HostEndpoints() iter.Seq[*desired.HostEndpoint] { return slices.Values(v.node.Hosts) }

// Settings implements desired.View.
func (v nodeView) Settings() *desired.Settings { return v.node.Settings }
