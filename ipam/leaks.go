// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unique"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Leak is a handle with addresses whose owner is gone. One alone proves nothing: a workload that is just being added has addresses before it has a
// WorkloadEndpoint. Who finds the same leak again after a while may free it.
type Leak struct {
	Handle string
	// Node that assigned the addresses.
	Node string
	// NodeGone: there is no such Node.
	NodeGone bool
	// Namespace and Pod of the workload; empty for a tunnel, Pod also for a workload that is none.
	Namespace, Pod string
	// Addrs are all of the handle, as ReleaseAddrs takes them: it frees none that was assigned again since.
	Addrs []Release
	// Reason says what is missing.
	Reason string
}

// Leaks returns the leaks in objects, by handle. Read the IPAMBlocks first, then the WorkloadEndpoints, then the Nodes, all of them: an owner that came
// meanwhile is seen then. Addresses are judged if weft assigned them: those of workloads on a Node that has an agent of weft, or is gone, and
// those of tunnels. All other owners, among them services, count as there.
func Leaks(objects []api.Object) []Leak {
	c := NewCensus()
	for _, obj := range objects {
		c.Add(obj)
	}
	return c.Leaks()
}

// Census finds Leaks among objects of which it keeps only what that takes: hand each to Add, in the order that Leaks asks for.
type Census struct {
	held  []counted
	alive map[string]bool // handles with an address that is not judged
	used  map[netip.Addr]struct{}
	twins map[netip.Prefix][]Holding // those that no node has
	pairs map[netip.Prefix]struct{}  // twins of which something is in use
	nodes map[string]bool            // with whether an agent of weft is there
}

// counted is an address that may turn out a leak.
type counted struct {
	addr      netip.Addr
	sequence  uint64
	handle    string
	node      string
	namespace string // of the workload
	pod       string
	tunnel    bool
}

// NewCensus returns an empty one.
func NewCensus() *Census {
	return &Census{alive: map[string]bool{}, used: map[netip.Addr]struct{}{}, nodes: map[string]bool{}, twins: map[netip.Prefix][]Holding{}, pairs: map[netip.Prefix]struct{}{}}
}

// Add takes an IPAMBlock, WorkloadEndpoint or Node in; others say nothing.
func (c *Census) Add(obj api.Object) {
	switch obj := obj.(type) {
	case *v3.IPAMBlock:
		c.pair(obj)
		for _, h := range Holdings([]api.Object{obj}) {
			c.hold(h)
		}
	case *v3.Node:
		c.nodes[obj.Name] = obj.Annotations[v3.AgentInstanceAnnotation] != ""
	case *v3.WorkloadEndpoint:
		for _, text := range obj.Spec.IPNetworks {
			if p, err := v3.ParseCIDR(text); err == nil {
				c.used[p.Addr()] = struct{}{}
			}
		}
	}
}

// pair notes which twins a block uses, and the block if it is a twin that no node has.
func (c *Census) pair(obj *v3.IPAMBlock) {
	b, err := readBlock(obj)
	if err != nil || !b.exists() {
		return
	}
	for i := range b.obj.Spec.Allocations {
		if twin := b.twinAt(i); twin.IsValid() {
			c.pairs[twin] = struct{}{}
		}
	}
	if _, ok := b.bond(); ok && b.owner() == "" && b.whole() {
		c.twins[b.cidr] = Holdings([]api.Object{obj})
	}
}

func (c *Census) hold(h Holding) {
	tunnel := isTunnel(h.Attrs["type"])
	if h.Attrs["node"] == "" || !tunnel && (h.Attrs["type"] != "" || h.Attrs["vmi"] != "" || h.Attrs["namespace"] == "") {
		c.alive[h.Handle] = true
		return
	}
	// Copies, shared where they can be: no block is kept for a part of it.
	share := func(attr string) string { return unique.Make(strings.Clone(h.Attrs[attr])).Value() }
	c.held = append(c.held, counted{
		addr: h.Addr, sequence: h.Sequence, handle: strings.Clone(h.Handle), tunnel: tunnel, node: share("node"), namespace: share("namespace"), pod: strings.Clone(h.Attrs["pod"]),
	})
}

// Leaks returns what was found.
func (c *Census) Leaks() []Leak {
	found, alive := map[string]*Leak{}, maps.Clone(c.alive)
	for i := range c.held {
		h := &c.held[i]
		reason := c.missing(h)
		if reason == "" {
			alive[h.handle] = true
			continue
		}
		leak := found[h.handle]
		if leak == nil {
			_, there := c.nodes[h.node]
			leak = &Leak{Handle: h.handle, Node: h.node, NodeGone: !there, Namespace: h.namespace, Pod: h.pod, Reason: reason}
			found[h.handle] = leak
		}
		leak.Addrs = append(leak.Addrs, Release{Addr: h.addr, Handle: h.handle, Sequence: &h.sequence})
	}
	out := c.idleTwins()
	for handle, leak := range found {
		if !alive[handle] {
			out = append(out, *leak)
		}
	}
	slices.SortFunc(out, func(a, b Leak) int { return cmp.Compare(a.Handle, b.Handle) })
	return out
}

// idleTwins returns the twins that no node has and of which nothing is in use.
func (c *Census) idleTwins() (out []Leak) {
	for cidr, held := range c.twins {
		if _, used := c.pairs[cidr]; used {
			continue
		}
		node := held[0].Attrs["node"]
		_, there := c.nodes[node]
		leak := Leak{Handle: held[0].Handle, Node: node, NodeGone: !there, Reason: "no address of the block that it goes with is in use"}
		for _, h := range held {
			leak.Addrs = append(leak.Addrs, h.Release())
		}
		out = append(out, leak)
	}
	return out
}

// missing says what the owner of an address lacks, or "".
func (c *Census) missing(h *counted) string {
	weft, there := c.nodes[h.node]
	_, used := c.used[h.addr]
	switch {
	case used:
		return ""
	case h.tunnel && !there:
		return "its node is gone"
	case h.tunnel:
		return ""
	case !there:
		return "its node is gone, and there is no WorkloadEndpoint with the address"
	case !weft:
		return "" // an agent of Calico, which writes no WorkloadEndpoints on Kubernetes
	}
	return "there is no WorkloadEndpoint with the address"
}

func isTunnel(kind string) bool {
	switch kind {
	case "ipipTunnelAddress", "vxlanTunnelAddress", "vxlanV6TunnelAddress", "wireguardTunnelAddress", "wireguardV6TunnelAddress":
		return true
	}
	return false
}
