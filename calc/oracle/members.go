// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"maps"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// contributor is anything that IP sets take members from.
type contributor struct {
	labels   map[string]string // own
	profiles []string          // whose labels it inherits
	nets     []netip.Prefix
	ports    []port
}

type port struct {
	name     string
	protocol uint8
	number   uint16
}

// workload is a workload endpoint.
type workload struct {
	contributor
	object  *v3.WorkloadEndpoint
	version Version
	spoof   []netip.Prefix
}

func (w *workload) id() desired.EndpointID {
	return desired.EndpointID{Namespace: w.object.Namespace, Name: w.object.Name}
}

// has tells whether addr is one of the workload's.
func (w *workload) has(addr netip.Addr) bool {
	for _, n := range w.nets {
		if n.Addr() == addr {
			return true
		}
	}
	return false
}

// labelsOf returns the labels of a contributor, inherited ones included: its own win over those of profiles, earlier profiles over later ones.
func (c *Cluster) labelsOf(item *contributor) selector.Map {
	all := selector.Map{}
	for i := len(item.profiles) - 1; i >= 0; i-- {
		maps.Copy(all, c.profiles[item.profiles[i]].labels)
	}
	maps.Copy(all, item.labels)
	return all
}

// withNamespace returns labels with the one that namespaced things have.
func withNamespace(labels map[string]string, namespace string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, labels)
	out["projectcalico.org/namespace"] = namespace
	return out
}

func (c *Cluster) addWorkload(obj *v3.WorkloadEndpoint, version Version) error {
	labels := withNamespace(obj.Labels, obj.Namespace)
	delete(labels, "projectcalico.org/orchestrator")
	delete(labels, "projectcalico.org/serviceaccount")
	if o := obj.Spec.Orchestrator; o != "" && len(o) <= 63 {
		labels["projectcalico.org/orchestrator"] = o
	}
	if sa := obj.Spec.ServiceAccountName; sa != "" && len(sa) <= 63 {
		labels["projectcalico.org/serviceaccount"] = sa
	}
	w := workload{contributor{labels: labels, profiles: obj.Spec.Profiles}, obj, version, nil}
	var err error
	if w.nets, err = addresses(obj.Spec.IPNetworks); err != nil {
		return err
	}
	if w.spoof, err = parse(obj.Spec.AllowSpoofedSourcePrefixes); err != nil {
		return err
	}
	for _, p := range obj.Spec.Ports {
		number, err := v3.ProtocolNumber(p.Protocol)
		if err != nil {
			return err
		}
		w.ports = append(w.ports, port{p.Name, number, p.Port})
	}
	c.workloads = append(c.workloads, w)
	return nil
}

// host is a host endpoint.
type host struct {
	contributor
	object  *v3.HostEndpoint
	version Version
}

func (c *Cluster) addHostEndpoint(obj *v3.HostEndpoint, version Version) error {
	nets, err := addresses(obj.Spec.ExpectedIPs)
	if err != nil {
		return err
	}
	labels := maps.Clone(obj.Labels)
	delete(labels, "projectcalico.org/namespace")
	item := contributor{labels: labels, profiles: obj.Spec.Profiles, nets: nets}
	for _, p := range obj.Spec.Ports {
		number, err := v3.ProtocolNumber(p.Protocol)
		if err != nil {
			return err
		}
		item.ports = append(item.ports, port{p.Name, number, p.Port})
	}
	c.hosts = append(c.hosts, host{item, obj, version})
	return nil
}

func (c *Cluster) addNetworkSet(spec *v3.NetworkSetSpec, labels map[string]string, profiles []string) error {
	nets, err := parse(spec.Nets)
	if err == nil {
		c.others = append(c.others, contributor{labels: labels, profiles: profiles, nets: nets})
	}
	return err
}

func parse(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := v3.ParseCIDR(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func addresses(texts []string) ([]netip.Prefix, error) {
	out, err := parse(texts)
	for _, p := range out {
		if !p.IsSingleIP() {
			return nil, fmt.Errorf("%s is no single address", p)
		}
	}
	return out, err
}

// members returns all members of an IP set.
func (c *Cluster) members(set rule.Set) map[desired.Member]struct{} {
	out := map[desired.Member]struct{}{}
	switch {
	case set.Selector == nil:
		c.addEndpoints(out, set)
		return out
	case set.Nodes:
		c.addNodes(out, set)
		return out
	}
	for i := range c.workloads {
		c.addMembers(out, set, &c.workloads[i].contributor)
	}
	for i := range c.hosts {
		c.addMembers(out, set, &c.hosts[i].contributor)
	}
	for i := range c.others {
		c.addMembers(out, set, &c.others[i])
	}
	return out
}

func (c *Cluster) addMembers(out map[desired.Member]struct{}, set rule.Set, item *contributor) {
	if !set.Selector.Matches(c.labelsOf(item)) {
		return
	}
	for _, net := range item.nets {
		if set.Kind == rule.SetNet {
			out[desired.Member{Prefix: net}] = struct{}{}
			continue
		}
		for _, p := range item.ports {
			if p.name == set.Port && p.protocol == set.Protocol {
				out[desired.Member{Prefix: net, Protocol: p.protocol, Port: p.number}] = struct{}{}
			}
		}
	}
}

// addNodes adds the addresses of nodes.
func (c *Cluster) addNodes(out map[desired.Member]struct{}, set rule.Set) {
	for _, n := range c.nodes {
		if !set.Selector.Matches(selector.Map(n.Labels)) {
			continue
		}
		for _, addr := range n.Addrs() {
			out[desired.Member{Prefix: netip.PrefixFrom(addr, addr.BitLen())}] = struct{}{}
		}
	}
}

// addEndpoints adds what a service's slices list.
func (c *Cluster) addEndpoints(out map[desired.Member]struct{}, set rule.Set) {
	for _, s := range c.slices {
		if s.Namespace != set.Service.Namespace || s.Labels["kubernetes.io/service-name"] != set.Service.Name || s.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, e := range s.Endpoints {
			for _, text := range e.Addresses {
				addr := netip.MustParseAddr(text) // refused before if it is none
				host := netip.PrefixFrom(addr, addr.BitLen())
				if set.Kind == rule.SetNet {
					out[desired.Member{Prefix: host}] = struct{}{}
					continue
				}
				for _, p := range s.Ports {
					protocol := uint8(6)
					if p.Protocol != nil {
						protocol = map[corev1.Protocol]uint8{"": 6, "TCP": 6, "UDP": 17, "SCTP": 132}[*p.Protocol]
					}
					if p.Port != nil {
						out[desired.Member{Prefix: host, Protocol: protocol, Port: uint16(*p.Port)}] = struct{}{}
					}
				}
			}
		}
	}
}
