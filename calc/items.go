// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"net/netip"
	"slices"
	"unique"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// item is one thing that puts members into IP sets: an endpoint of any node, a network set, or a node. There may be 100,000 of them, so it holds
// no more than that; labels live in the index.
type item struct {
	nets  []netip.Prefix
	ports []namedPort
	// node and revision are those of a workload endpoint.
	node     string
	revision uint64
}

// namedPort is a port that an endpoint declares.
type namedPort struct {
	name     unique.Handle[string]
	protocol uint8
	port     uint16
}

func (it *item) equal(other *item) bool {
	return slices.Equal(it.nets, other.nets) && slices.Equal(it.ports, other.ports)
}

// members calls f with each member that the item puts into a set.
func (it *item) members(set *ipSet, f func(desired.Member)) {
	if set.Kind == rule.SetNet {
		for _, net := range it.nets {
			f(desired.Member{Prefix: net})
		}
		return
	}
	for _, p := range it.ports {
		if p.protocol != set.protocol || p.name != set.port {
			continue
		}
		for _, net := range it.nets {
			f(desired.Member{Prefix: net, Protocol: p.protocol, Port: p.port})
		}
	}
}

// objectName is a name with the namespace, if the kind has one.
type objectName struct{ namespace, name string }

func nameOf(key api.Key) objectName { return objectName{key.Namespace, key.Name} }

// owned returns the name in memory that belongs to no object. The text of a key does not, and whoever watches the datastore keeps it anyway.
func (n objectName) owned() objectName { return objectName{intern(n.namespace), n.name} }

// items holds all items by resource and name.
type items struct {
	sets *ipSets
	all  map[api.Resource]map[objectName]*item
}

func newItems(sets *ipSets) *items {
	out := &items{sets: sets, all: map[api.Resource]map[objectName]*item{}}
	for _, r := range []api.Resource{api.WorkloadEndpoints, api.HostEndpoints, api.NetworkSets, api.GlobalNetworkSets, api.Nodes} {
		out.all[r] = map[objectName]*item{}
	}
	return out
}

// put adds or replaces an item with its labels and the profiles that it inherits labels from. None of them is kept.
func (s *items) put(key api.Key, now item, labels []labelindex.Label, profiles []string) {
	s.update(key, s.open(key), now, labels, profiles)
}

// update is put for the item that open has returned.
func (s *items) update(key api.Key, it *item, now item, labels []labelindex.Label, profiles []string) {
	s.sets.update(s.index(key), it, now, labels, profiles)
}

// open returns the item of an object, made empty if there is none.
func (s *items) open(key api.Key) *item {
	byName, name := s.all[key.Resource], nameOf(key)
	it, ok := byName[name]
	if !ok {
		it = &item{}
		byName[name.owned()] = it
	}
	return it
}

// workload returns the item of a workload endpoint, nil if there is none.
func (s *items) workload(key api.Key) *item { return s.all[api.WorkloadEndpoints][nameOf(key)] }

func (s *items) remove(key api.Key) {
	byName, name := s.all[key.Resource], nameOf(key)
	if it, ok := byName[name]; ok {
		s.index(key).DeleteItem(it)
		delete(byName, name)
	}
}

// index is where the labels of an object's item are.
func (s *items) index(key api.Key) *itemIndex { return s.sets.over(key.Resource == api.Nodes) }

func newHostItem(spec *v3.HostEndpointSpec) (item, api.FieldErrors) {
	var wrong faults
	it := item{nets: hostPrefixes(&wrong, nil, "spec.expectedIPs", spec.ExpectedIPs)}
	for i, p := range spec.Ports {
		it.addPort(&wrong, i, p.Name, p.Protocol, p.Port)
	}
	return it, wrong.list
}

func (s *items) putNetworkSet(key api.Key, obj *v3.NetworkSet) api.FieldErrors {
	now, wrong := newNetworkSet(&obj.Spec)
	if wrong == nil {
		s.put(key, now, labelindex.Labels(namespaced(obj.Labels, key.Namespace)), []string{rule.NamespaceProfileName(key.Namespace)})
	}
	return wrong
}

func (s *items) putGlobalNetworkSet(key api.Key, obj *v3.GlobalNetworkSet) api.FieldErrors {
	now, wrong := newNetworkSet(&obj.Spec)
	if wrong == nil {
		s.put(key, now, labelindex.Labels(obj.Labels), nil)
	}
	return wrong
}

// putNode takes all addresses of a node, its tunnels' included.
func (s *items) putNode(key api.Key, n *v3.Node) {
	addrs := n.Addrs()
	now := item{nets: make([]netip.Prefix, 0, len(addrs))}
	for _, addr := range addrs {
		now.nets = append(now.nets, desired.HostPrefix(addr))
	}
	s.put(key, now, labelindex.Labels(n.Labels), nil)
}

func newNetworkSet(spec *v3.NetworkSetSpec) (item, api.FieldErrors) {
	var wrong faults
	return item{nets: prefixes(&wrong, nil, "spec.nets", spec.Nets)}, wrong.list
}

// addPort adds a named port, entry i of spec.ports; a port without a name cannot be referred to.
func (it *item) addPort(wrong *faults, i int, name string, protocol intstr.IntOrString, port uint16) {
	number, err := v3.ProtocolNumber(protocol)
	if err != nil {
		wrong.add(fmt.Sprintf("spec.ports[%d].protocol", i), err)
	}
	if name != "" {
		it.ports = append(it.ports, namedPort{unique.Make(name), number, port})
	}
}

// prefixes reads CIDRs, adds them to out, and returns it.
func prefixes(wrong *faults, out []netip.Prefix, path string, texts []string) []netip.Prefix {
	for i, text := range texts {
		p, err := v3.ParseCIDR(text)
		if err != nil {
			wrong.add(fmt.Sprintf("%s[%d]", path, i), err)
		}
		out = append(out, p)
	}
	return out
}

// hostPrefixes reads addresses, which may be written as CIDRs of one address.
func hostPrefixes(wrong *faults, out []netip.Prefix, path string, texts []string) []netip.Prefix {
	before := len(out)
	out = prefixes(wrong, out, path, texts)
	for i, p := range out[before:] {
		if p.IsValid() && !p.IsSingleIP() {
			wrong.add(fmt.Sprintf("%s[%d]", path, i), fmt.Errorf("%s is no single address; write it as /%d", p, p.Addr().BitLen()))
		}
	}
	return out
}
