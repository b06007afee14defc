// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"cmp"
	"net/netip"
	"slices"

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
	// Addrs are all of the handle, as ReleaseAddrs takes them: it frees none that was assigned again since.
	Addrs []Release
	// Reason says what is missing.
	Reason string
}

// Leaks returns the leaks in objects, by handle. Read the IPAMBlocks first, then the WorkloadEndpoints, then the Nodes, all of them: an owner that came
// meanwhile is seen then. Addresses are judged if weft assigned them: those of workloads on a Node that has an agent of weft, or is gone, and
// those of tunnels. All other owners, among them services, count as there.
func Leaks(objects []api.Object) []Leak {
	o := owners{used: map[netip.Addr]bool{}, nodes: map[string]*v3.Node{}}
	for _, obj := range objects {
		o.collect(obj)
	}
	found, alive := map[string]*Leak{}, map[string]bool{}
	for _, h := range Holdings(objects) {
		o.judge(h, found, alive)
	}
	var out []Leak
	for handle, leak := range found {
		if !alive[handle] {
			out = append(out, *leak)
		}
	}
	slices.SortFunc(out, func(a, b Leak) int { return cmp.Compare(a.Handle, b.Handle) })
	return out
}

// owners is what addresses may belong to.
type owners struct {
	used  map[netip.Addr]bool
	nodes map[string]*v3.Node
}

func (o *owners) collect(obj api.Object) {
	switch obj := obj.(type) {
	case *v3.Node:
		o.nodes[obj.Name] = obj
	case *v3.WorkloadEndpoint:
		for _, text := range obj.Spec.IPNetworks {
			if p, err := v3.ParseCIDR(text); err == nil {
				o.used[p.Addr()] = true
			}
		}
	}
}

// judge adds an address to the leak of its handle, or notes that the handle has an owner.
func (o *owners) judge(h Holding, found map[string]*Leak, alive map[string]bool) {
	reason := o.missing(h.Attrs, h.Addr)
	if reason == "" {
		alive[h.Handle] = true
		return
	}
	leak := found[h.Handle]
	if leak == nil {
		node := h.Attrs["node"]
		leak = &Leak{Handle: h.Handle, Node: node, NodeGone: o.nodes[node] == nil, Reason: reason}
		found[h.Handle] = leak
	}
	leak.Addrs = append(leak.Addrs, h.Release())
}

// missing says what an owner of addr with these attributes lacks, or "".
func (o *owners) missing(attrs map[string]string, addr netip.Addr) string {
	node := o.nodes[attrs["node"]]
	switch {
	case attrs["node"] == "", o.used[addr]:
		return ""
	case isTunnel(attrs["type"]) && node == nil:
		return "its node is gone"
	case attrs["type"] != "", attrs["vmi"] != "", attrs["namespace"] == "":
		return ""
	case node == nil:
		return "its node is gone, and there is no WorkloadEndpoint with the address"
	case node.Annotations[v3.AgentInstanceAnnotation] == "":
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
