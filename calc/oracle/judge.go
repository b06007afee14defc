// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/netip"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Judgement is what becomes of a packet in the cluster.
type Judgement struct {
	eval.Flow
	// Src and Dst are the workload endpoints that have the packet's addresses; nil where an address is no workload's.
	Src, Dst *desired.Endpoint
	// Exempt says why an end that is a workload was not judged; empty if it was.
	Exempt string
}

// String renders the verdict and how each end came to it.
func (j Judgement) String() string {
	verdict := "denied"
	if j.Allowed() {
		verdict = "allowed"
	}
	if j.Exempt != "" {
		verdict += ": " + j.Exempt
	}
	for _, end := range []struct {
		name   string
		ep     *desired.Endpoint
		result *eval.Result
	}{{"egress of", j.Src, j.Egress}, {"ingress of", j.Dst, j.Ingress}} {
		if end.result != nil {
			verdict += fmt.Sprintf("\n%s %s:\n%s", end.name, end.ep.ID, end.result)
		}
	}
	return verdict
}

// Judge tells what becomes of the first packet of a flow: egress policy of the workload that has the source address, then ingress policy of
// the workload that has the destination address. An end that is no workload lets everything pass, as host endpoints are not enforced.
//
// Two kinds of traffic meet no policy at their destination: from a workload to itself, which never leaves it, and from a node to a workload
// that it hosts.
func (c *Cluster) Judge(p eval.Packet) (Judgement, error) {
	p.Src, p.Dst = p.Src.Unmap(), p.Dst.Unmap()
	src, err := c.endpointAt(p.Src)
	if err != nil {
		return Judgement{}, err
	}
	dst, err := c.endpointAt(p.Dst)
	if err != nil {
		return Judgement{}, err
	}
	var j Judgement
	if src != nil {
		j.Src = src.endpoint
	}
	if dst != nil {
		j.Dst = dst.endpoint
	}
	switch {
	case src != nil && dst != nil && j.Src.ID == j.Dst.ID:
		j.Exempt = "a workload's packets to itself do not leave it"
		return j, nil
	case src != nil:
		result := eval.Evaluate(src.world, src.endpoint, rule.Egress, p)
		j.Egress = &result
	case dst != nil && c.belongsTo(p.Src, dst.node):
		j.Exempt = "node " + dst.node + " always reaches the workloads that it hosts"
		return j, nil
	}
	if dst != nil {
		result := eval.Evaluate(dst.world, dst.endpoint, rule.Ingress, p)
		j.Ingress = &result
	}
	return j, nil
}

// placed is an endpoint and its node.
type placed struct {
	endpoint *desired.Endpoint
	node     string
	world    eval.World
}

// endpointAt returns the endpoint that has an address, nil if there is none. Of several nodes with such an endpoint the one of the newest
// counts.
func (c *Cluster) endpointAt(addr netip.Addr) (*placed, error) {
	var found *workload
	for i := range c.workloads {
		w := &c.workloads[i]
		if w.has(addr) && c.owners(w.object.Spec.Node)[addr] == w && (found == nil || precedes(w, found)) {
			found = w
		}
	}
	if found == nil {
		return nil, nil
	}
	node := found.object.Spec.Node
	state, err := c.state(node)
	if err != nil {
		return nil, err
	}
	e, _ := state.Endpoint(found.id())
	return &placed{e, node, eval.FromView(state)}, nil
}

// state returns the desired state of a node, computed once.
func (c *Cluster) state(node string) (*desired.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.states[node]; ok {
		return s, nil
	}
	s, err := c.Desired(node)
	if err == nil {
		c.states[node] = s
	}
	return s, err
}

// belongsTo tells whether addr is a node's own.
func (c *Cluster) belongsTo(addr netip.Addr, node string) bool {
	n := c.node(node)
	if n == nil {
		return false
	}
	texts := []string{n.Spec.IPv4VXLANTunnelAddr, n.Spec.IPv6VXLANTunnelAddr}
	if b := n.Spec.BGP; b != nil {
		texts = append(texts, b.IPv4Address, b.IPv6Address, b.IPv4IPIPTunnelAddr)
	}
	if w := n.Spec.Wireguard; w != nil {
		texts = append(texts, w.InterfaceIPv4Address, w.InterfaceIPv6Address)
	}
	for _, a := range n.Spec.Addresses {
		texts = append(texts, a.Address)
	}
	for _, text := range texts {
		if p, err := v3.ParseInterfaceCIDR(text); err == nil && p.Addr() == addr {
			return true
		}
	}
	return false
}
