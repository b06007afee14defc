// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/near"
)

// End is one end of a flow.
type End struct {
	// Name is for people: "shop/web", "node n1", "198.51.100.7".
	Name string
	// Workload is the endpoint; nil for a host and for an address that is no endpoint's.
	Workload *v3.WorkloadEndpoint
	// Node is where the workload runs or the host itself; empty for other addresses.
	Node string
	// Addrs are the end's addresses, IPv4 first.
	Addrs []netip.Addr
	// Note says what is special about the end; empty mostly.
	Note string
}

// ID identifies the workload endpoint.
func (e *End) ID() desired.EndpointID {
	return desired.EndpointID{Namespace: e.Workload.Namespace, Name: e.Workload.Name}
}

// Host tells whether the end is a node itself.
func (e *End) Host() bool { return e.Workload == nil && e.Node != "" }

// Made tells whether an address was made up for a workload whose own is not known.
func (c *Cluster) Made(addr netip.Addr) bool { return c.made[addr] }

// Find looks up an end by what people write: "namespace/pod", "namespace/endpoint", the name of a node, or an address, which may be that of a
// workload or a node or of something outside.
func (c *Cluster) Find(text string) (*End, error) {
	if addr, err := v3.ParseIP(text); err == nil {
		return c.findAddress(addr), nil
	}
	namespace, name, found := strings.Cut(text, "/")
	switch {
	case text == "":
		return nil, errors.New("the name is empty; write namespace/pod, the name of a node or an IP address")
	case !found:
		return c.findHost(text)
	case namespace == "" || name == "" || strings.Contains(name, "/"):
		return nil, fmt.Errorf("%q is no name of a workload; write namespace/pod", text)
	}
	return c.findWorkload(namespace, name)
}

func (c *Cluster) findAddress(addr netip.Addr) *End {
	if w := c.owner(addr); w != nil {
		end := c.workloadEnd(w)
		end.Addrs = []netip.Addr{addr}
		return end
	}
	if name := c.nodeAt(addr); name != "" {
		return &End{Name: "node " + name, Node: name, Addrs: []netip.Addr{addr}}
	}
	return &End{Name: addr.String(), Addrs: []netip.Addr{addr}, Note: c.serviceNote(addr)}
}

// serviceNote says that an address is that of a service, behind which others get the packets; empty if it is none's.
func (c *Cluster) serviceNote(addr netip.Addr) string {
	for _, key := range c.order {
		s, ok := c.objects[key].(*corev1.Service)
		if !ok {
			continue
		}
		texts := slices.Concat(s.Spec.ClusterIPs, s.Spec.ExternalIPs, []string{s.Spec.ClusterIP})
		for _, in := range s.Status.LoadBalancer.Ingress {
			texts = append(texts, in.IP)
		}
		if slices.ContainsFunc(texts, func(text string) bool { a, err := v3.ParseIP(text); return err == nil && a == addr }) {
			return fmt.Sprintf("%s is an address of Service %s/%s: policy judges packets to it by the pod that they are led to; ask about its pods and their ports", addr, s.Namespace, s.Name)
		}
	}
	return ""
}

// nodeAt returns the node that has an address, the first by name; empty if there is none.
func (c *Cluster) nodeAt(addr netip.Addr) string {
	for _, name := range slices.Sorted(maps.Keys(c.hosts)) {
		if slices.Contains(c.hosts[name].Addrs, addr) {
			return name
		}
	}
	return ""
}

// owner returns the workload in force that has an address, nil if there is none. Of several the newest counts.
func (c *Cluster) owner(addr netip.Addr) *v3.WorkloadEndpoint {
	var claims []*v3.WorkloadEndpoint
	for w := range c.workloads() {
		if end := c.workloadEnd(w); slices.Contains(end.Addrs, addr) {
			if _, inForce := c.View(end.Node).Endpoint(end.ID()); inForce {
				claims = append(claims, w)
			}
		}
	}
	if len(claims) == 0 {
		return nil
	}
	return slices.MinFunc(claims, func(a, b *v3.WorkloadEndpoint) int {
		return cmp.Or(cmp.Compare(revision(b), revision(a)), c.workloadEnd(a).ID().Compare(c.workloadEnd(b).ID()))
	})
}

func (c *Cluster) findHost(name string) (*End, error) {
	if h, ok := c.hosts[name]; ok {
		return &End{Name: "node " + name, Node: name, Addrs: h.Addrs}, nil
	}
	var names []string
	for w := range c.workloads() {
		if WorkloadName(w) == name {
			names = append(names, w.Namespace+"/"+name)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("%q is no node; for the pod write %s", name, strings.Join(names, " or "))
	}
	return nil, fmt.Errorf("%q is neither a node nor an IP address, and a pod is written namespace/pod%s", name, meant(name, maps.Keys(c.hosts)))
}

func (c *Cluster) findWorkload(namespace, name string) (*End, error) {
	var found []*v3.WorkloadEndpoint
	for w := range c.workloads() {
		if w.Namespace == namespace && (WorkloadName(w) == name || w.Name == name) {
			found = append(found, w)
		}
	}
	if len(found) > 0 {
		return c.choose(namespace+"/"+name, found), nil
	}
	if pod, ok := c.pods[podKey{namespace, name}]; ok {
		node := pod.Node
		if node == Unscheduled {
			node = ""
		}
		return &End{Name: namespace + "/" + name, Node: node, Addrs: pod.Addrs,
			Note: namespace + "/" + name + " shares the network of its node, so that policies of pods do not concern it"}, nil
	}
	return nil, c.unknown(namespace, name)
}

// choose takes the first interface of several; the others can be named in full.
func (c *Cluster) choose(name string, found []*v3.WorkloadEndpoint) *End {
	slices.SortFunc(found, func(a, b *v3.WorkloadEndpoint) int { return strings.Compare(a.Name, b.Name) })
	end := c.workloadEnd(found[0])
	end.Name = name
	if len(found) > 1 {
		var names []string
		for _, w := range found {
			names = append(names, w.Namespace+"/"+w.Name)
		}
		end.Note = name + " has several endpoints; this is about the first of " + strings.Join(names, ", ")
	}
	return end
}

// unknown says what there is in place of a workload that there is not.
func (c *Cluster) unknown(namespace, name string) error {
	namespaces, here := map[string]bool{}, map[string]bool{}
	for key := range c.objects {
		if key.Resource == api.Namespaces {
			namespaces[key.Name] = true
		}
	}
	elsewhere := map[string]bool{}
	for w := range c.workloads() {
		namespaces[w.Namespace] = true
		if w.Namespace == namespace {
			here[WorkloadName(w)] = true
		} else if WorkloadName(w) == name {
			elsewhere[w.Namespace+"/"+name] = true
		}
	}
	for key := range c.pods {
		namespaces[key.namespace] = true
		if key.namespace == namespace {
			here[key.name] = true
		}
	}
	switch {
	case !namespaces[namespace]:
		return fmt.Errorf("there is no namespace %q%s", namespace, meant(namespace, maps.Keys(namespaces)))
	case len(elsewhere) > 0:
		return fmt.Errorf("there is no pod %q in namespace %s; there is %s", name, namespace, strings.Join(slices.Sorted(maps.Keys(elsewhere)), ", "))
	}
	return fmt.Errorf("there is no pod %q in namespace %s%s", name, namespace, meant(name, maps.Keys(here)))
}

// meant suggests the nearest of some names, or lists them if they are few.
func meant(name string, names iter.Seq[string]) string {
	known := slices.Sorted(names)
	best := near.Best(name, slices.Values(known))
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(known) == 0:
		return "; there are none"
	case len(known) <= 10:
		return "; there are: " + strings.Join(known, ", ")
	}
	return ""
}

// workloads yields the endpoints, in the order in which they came.
func (c *Cluster) workloads() iter.Seq[*v3.WorkloadEndpoint] {
	return func(yield func(*v3.WorkloadEndpoint) bool) {
		for _, key := range c.order {
			if w, ok := c.objects[key].(*v3.WorkloadEndpoint); ok && !yield(w) {
				return
			}
		}
	}
}

// WorkloadName is what people call a workload: its pod or container.
func WorkloadName(w *v3.WorkloadEndpoint) string {
	for _, name := range []string{w.Spec.Pod, w.Spec.Workload, w.Spec.ContainerID} {
		if name != "" {
			return name
		}
	}
	return w.Name
}

func (c *Cluster) workloadEnd(w *v3.WorkloadEndpoint) *End {
	end := &End{Name: w.Namespace + "/" + WorkloadName(w), Workload: w, Node: w.Spec.Node}
	for _, text := range w.Spec.IPNetworks {
		if net, err := v3.ParseCIDR(text); err == nil {
			end.Addrs = append(end.Addrs, net.Addr())
		}
	}
	sortAddrs(end.Addrs)
	return end
}

// sortAddrs puts IPv4 before IPv6 and keeps the order otherwise.
func sortAddrs(addrs []netip.Addr) {
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
}
