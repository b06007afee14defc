// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Judgement is what becomes of a packet in the cluster.
type Judgement struct {
	// Passages are the packet's ways through the nodes of its ends, the source's first; one if it stays on a node, none if no node is an end.
	// Both are judged even if the first denies.
	Passages []Passage
	// Src and Dst are the workload endpoints that have the packet's addresses; nil where an address is no workload's.
	Src, Dst *desired.Endpoint
	// Exempt says why the packet was not judged; empty if it was.
	Exempt string
}

// Passage is a packet's way through a node.
type Passage struct {
	Node string
	In   string // the link it comes in by; empty from a process of the node
	// Arriving is the packet as it comes in, NAT what destination NAT makes of it there; nil: nothing.
	Arriving eval.Packet
	NAT      func(eval.Packet) eval.Packet
	eval.Passage
}

// Allowed tells whether no node denies.
func (j Judgement) Allowed() bool { return j.decisive() == nil || j.decisive().Verdict != rule.Deny }

// decisive returns the last place that was asked: the one that denied first, if one did. nil: none was asked.
func (j Judgement) decisive() *eval.Place {
	var last *eval.Place
	for i := range j.Passages {
		if places := j.Passages[i].Places; len(places) > 0 {
			last = &places[len(places)-1]
		}
		if j.Passages[i].Verdict == rule.Deny {
			break
		}
	}
	return last
}

// Why is the step that decided, on one line.
func (j Judgement) Why() string {
	at := j.decisive()
	switch {
	case j.Exempt != "":
		return j.Exempt
	case at == nil:
		return "no policy applies"
	}
	return fmt.Sprintf("%v: %v", at.Dir, at.Decision())
}

// String renders the verdict and how each node came to it.
func (j Judgement) String() string {
	verdict := "denied"
	if j.Allowed() {
		verdict = "allowed"
	}
	if j.Exempt != "" {
		verdict += ": " + j.Exempt
	}
	for _, p := range j.Passages {
		verdict += fmt.Sprintf("\nnode %s:\n%s", p.Node, p.String())
	}
	return verdict
}

// Judge tells what becomes of the first packet of a flow on its way through the node that has the source address, or a workload with it, and
// through the node of the destination address, or of the workload that it leads to by translation. Policy of workloads and of host endpoints is asked as [eval.Node] says.
//
// Between nodes a packet goes by the tunnel whose route leads to the other end, else by the link with the address of the node that it is from or to, else by
// that with the address that the node is known by; it comes in as an answer would leave. What leaves the IP pools arrives with the source that natOutgoing
// gives it.
func (c *Cluster) Judge(p eval.Packet) (Judgement, error) {
	p.Src, p.Dst = p.Src.Unmap(), p.Dst.Unmap()
	src, err := c.placeOf(p.Src)
	if err != nil {
		return Judgement{}, err
	}
	dst, err := c.placeOf(p.Dst)
	if err != nil {
		return Judgement{}, err
	}
	asked := dst
	var t *translation
	if dst.endpoint == nil {
		if t, err = c.translation(dst.node, p); err != nil {
			return Judgement{}, err
		}
	}
	if t != nil {
		if dst, err = c.placeOf(t.to.Addr()); err != nil {
			return Judgement{}, err
		}
		if asked.node == "" {
			asked = dst
		}
	}
	j := Judgement{Src: src.endpoint, Dst: dst.endpoint}
	switch {
	case t == nil && j.Src != nil && j.Dst != nil && j.Src.ID == j.Dst.ID:
		j.Exempt = "a workload's packets to itself do not leave it"
		return j, nil
	case src.node != "":
		j.Passages = append(j.Passages, c.pass(src, src.link(), p, t))
	}
	if dst.node != "" && dst.node != src.node {
		if src.node != "" && !j.Passages[0].Untracked {
			p.Src = c.masqueraded(src, p)
		}
		j.Passages = append(j.Passages, c.pass(dst, c.linkAway(asked, p.Src), p, t))
	}
	return j, nil
}

// workloadPrefix begins the names of workloads' interfaces (Felix's interfacePrefix).
const workloadPrefix = "cali"

// pass judges a packet on its way through a node, which may be that of a translation.
func (c *Cluster) pass(at place, in string, p eval.Packet, t *translation) Passage {
	n := eval.Node{View: at.state, WorkloadPrefix: workloadPrefix, Route: func(to netip.Addr) string { return c.linkTo(at, to) }}
	if t != nil && t.node == at.node {
		n.NAT = t.apply
	}
	return Passage{Node: at.node, In: in, Arriving: p, NAT: n.NAT, Passage: n.Pass(in, p)}
}

// linkTo returns the link by which a node sends to an address, empty if that is its own.
func (c *Cluster) linkTo(at place, to netip.Addr) string {
	if c.belongsTo(to, at.node) {
		return ""
	}
	for r := range at.state.Routes() {
		if r.Kind == desired.RouteLocal && r.Dst.Contains(to) {
			return r.Interface
		}
	}
	return c.linkAway(at, to)
}

// linkAway is the link between a node and an address on another.
func (c *Cluster) linkAway(at place, other netip.Addr) string {
	best := desired.Route{}
	for r := range at.state.Routes() {
		if r.Kind == desired.RouteTunnel && r.Dst.Contains(other) && (best.Interface == "" || r.Dst.Bits() > best.Dst.Bits()) {
			best = r
		}
	}
	if best.Interface != "" {
		return best.Interface
	}
	own := func(l calc.Link) bool { return at.endpoint == nil && slices.Contains(l.Addrs, at.addr) }
	if links := c.Links[at.node]; slices.ContainsFunc(links, own) {
		return links[slices.IndexFunc(links, own)].Name
	}
	return c.uplink(at.node, other)
}

// unknownLink stands for a link of which nothing is known: it has no host endpoint but that for any interface.
const unknownLink = "unknown"

// uplink returns the link with an address of the node of a family, that of BGP first.
func (c *Cluster) uplink(node string, family netip.Addr) string {
	has := func(l calc.Link, wanted func(netip.Addr) bool) bool {
		return slices.ContainsFunc(l.Addrs, func(a netip.Addr) bool { return a.Is4() == family.Is4() && wanted(a) })
	}
	own := func(a netip.Addr) bool {
		n := c.node(node)
		return n != nil && addrsOf(n)[index(a)] == a
	}
	for _, wanted := range []func(netip.Addr) bool{own, func(netip.Addr) bool { return true }} {
		if i := slices.IndexFunc(c.Links[node], func(l calc.Link) bool { return has(l, wanted) }); i >= 0 {
			return c.Links[node][i].Name
		}
	}
	return unknownLink
}

// place is where an address is in the cluster: at a workload or, without, at a node itself. The zero value is outside.
type place struct {
	addr     netip.Addr
	node     string
	state    *desired.State // of the node
	endpoint *desired.Endpoint
}

// link is the one by which packets of the place come to its node, empty from the node itself.
func (p place) link() string {
	if p.endpoint == nil {
		return ""
	}
	return p.endpoint.Interface
}

// placeOf finds an address. Of several nodes with a workload of that address the one of the newest counts.
func (c *Cluster) placeOf(addr netip.Addr) (place, error) {
	var found *workload
	for i := range c.workloads {
		w := &c.workloads[i]
		if w.has(addr) && c.owners(w.object.Spec.Node)[addr] == w && (found == nil || precedes(w, found)) {
			found = w
		}
	}
	out := place{addr: addr, node: c.hostAt(addr)}
	if found != nil {
		out.node = found.object.Spec.Node
	}
	if out.node == "" {
		return place{}, nil
	}
	var err error
	if out.state, err = c.state(out.node); err == nil && found != nil {
		out.endpoint, _ = out.state.Endpoint(found.id())
	}
	return out, err
}

// hostAt returns the node that has an address, empty if none has.
func (c *Cluster) hostAt(addr netip.Addr) string {
	names := slices.Sorted(maps.Keys(c.Links))
	for _, n := range c.nodes {
		names = append(names, n.Name)
	}
	if i := slices.IndexFunc(names, func(name string) bool { return c.belongsTo(addr, name) }); i >= 0 {
		return names[i]
	}
	return ""
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
	if n := c.node(node); n != nil && slices.Contains(n.Addrs(), addr) {
		return true
	}
	return slices.ContainsFunc(c.Links[node], func(l calc.Link) bool { return slices.Contains(l.Addrs, addr) })
}
