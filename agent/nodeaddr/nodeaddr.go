// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package nodeaddr decides which address is the node's: Choose from the facts, and read why.
//
// Pure: facts in, a decision with its reason and the rejected candidates out.
package nodeaddr

import (
	"fmt"
	"net/netip"
	"strings"
)

// Candidate is one address found on the host.
type Candidate struct {
	Interface string
	Kind      string // rtnetlink link kind: "", "veth", "bridge", "vxlan", ...
	Up        bool
	Prefix    netip.Prefix // address with the length of its subnet
}

// Facts is all that the choice depends on, for one address family.
type Facts struct {
	// Explicit is the operator's setting; it may omit the subnet (then a full-length prefix).
	Explicit netip.Prefix
	// Previous is the address that the node had before, from its Node object.
	Previous netip.Prefix
	// RouteSource is the kernel's source address towards the default route, the zero Addr if there is none.
	RouteSource netip.Addr
	// Method narrows the choice down; the zero value does not.
	Method Method
	// ReachSource is the kernel's source address towards Method.Target, the zero Addr if it has no route there.
	ReachSource netip.Addr
	// InternalIP is the address of type InternalIP of the Kubernetes node, the zero Addr if there is none.
	InternalIP netip.Addr
	Candidates []Candidate
}

// Decision is the address, why it was chosen, and why the others were not. An invalid Value means there is none.
type Decision struct {
	Value    netip.Prefix
	Reason   string
	Rejected []string
}

// Choose picks, strongest first: the operator's setting; what a detection method names; the previous address while the host still has it and
// the method allows it; the kernel's own choice of source address; the first address on a device of the host's own.
func Choose(f Facts) Decision {
	usable, rejected := split(f.Candidates)
	if f.Explicit.IsValid() {
		return Decision{widen(f.Explicit, f.Candidates), "set by the operator", rejected}
	}
	switch f.Method.kind {
	case canReach:
		return f.named(f.ReachSource, "the kernel uses it towards "+f.Method.Target(), "the kernel has no route to "+f.Method.Target(), usable, rejected)
	case kubernetesNode:
		return f.named(f.InternalIP, "it is the Kubernetes node's InternalIP", "the Kubernetes node has no InternalIP of this family", usable, rejected)
	}
	eligible, others := f.Method.narrow(usable)
	rejected = append(rejected, others...)
	if c, ok := find(eligible, f.Previous.Addr()); ok {
		return Decision{c.Prefix, "the node had it before and still has it, on " + c.Interface, rejected}
	}
	if c, ok := find(eligible, f.RouteSource); ok && f.Method.kind == kernelChoice {
		return Decision{c.Prefix, "the kernel uses it towards the default route, on " + c.Interface, rejected}
	}
	if len(eligible) > 0 {
		reason := "first address of a device of the host's own, " + eligible[0].Interface
		if f.Method.kind != kernelChoice {
			reason = "first address by " + f.Method.String() + ", on " + eligible[0].Interface
		}
		return Decision{eligible[0].Prefix, reason, rejected}
	}
	return Decision{Reason: "no usable address found", Rejected: rejected}
}

// named decides for the address that a method names, if the host has it.
func (f Facts) named(addr netip.Addr, why, missing string, usable []Candidate, rejected []string) Decision {
	if !addr.IsValid() {
		return Decision{Reason: missing + " (" + f.Method.String() + ")", Rejected: rejected}
	}
	c, ok := find(usable, addr)
	if !ok {
		return Decision{Reason: fmt.Sprintf("%s names %s, which is no usable address of this host", f.Method, addr), Rejected: rejected}
	}
	for _, other := range usable {
		if other != c {
			rejected = append(rejected, fmt.Sprintf("%s on %s: not by %s", other.Prefix, other.Interface, f.Method))
		}
	}
	return Decision{c.Prefix, why + ", on " + c.Interface, rejected}
}

func split(all []Candidate) (usable []Candidate, rejected []string) {
	for _, c := range all {
		if why := unfit(c); why != "" {
			rejected = append(rejected, fmt.Sprintf("%s on %s: %s", c.Prefix, c.Interface, why))
			continue
		}
		usable = append(usable, c)
	}
	return usable, rejected
}

// virtual are link kinds and names that belong to workloads, containers or tunnels, never to the host's own network.
var (
	virtualKinds = map[string]bool{"bridge": true, "dummy": true, "vxlan": true, "ipip": true, "wireguard": true, "tun": true, "ipvlan": true}
	virtualNames = []string{"cali", "docker", "br-", "virbr", "cni", "flannel", "kube-", "nodelocaldns", "veth", "lxc"}
)

func unfit(c Candidate) string {
	addr := c.Prefix.Addr()
	switch {
	case addr.IsLoopback() || c.Interface == "lo":
		return "loopback"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case addr.IsMulticast() || addr.IsUnspecified():
		return "no unicast address"
	case !c.Up:
		return "the interface is down"
	case virtualKinds[c.Kind]:
		return "a " + c.Kind + " device"
	}
	for _, prefix := range virtualNames {
		if strings.HasPrefix(c.Interface, prefix) {
			return "the interface name belongs to container networking (" + prefix + "*)"
		}
	}
	return ""
}

func find(candidates []Candidate, addr netip.Addr) (Candidate, bool) {
	for _, c := range candidates {
		if addr.IsValid() && c.Prefix.Addr() == addr {
			return c, true
		}
	}
	return Candidate{}, false
}

// widen gives an address without a subnet the subnet that the host has it in.
func widen(p netip.Prefix, candidates []Candidate) netip.Prefix {
	if !p.IsSingleIP() {
		return p
	}
	if c, ok := find(candidates, p.Addr()); ok {
		return c.Prefix
	}
	return p
}
