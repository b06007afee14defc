// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// workloads takes workload endpoints in: each is an item of IP sets, and those of this node are local endpoints besides.
type workloads struct {
	self   string
	items  *items
	locals *locals
	reach  *reach
	// Reused between calls: most changes are of a label, and most of what is read is known.
	nets   []netip.Prefix
	ports  []namedPort
	labels []labelindex.Label
}

// maxLabelValue is Kubernetes' limit; a longer service account name is no label.
const maxLabelValue = 63

// workloadLabels adds the labels of an endpoint as selectors see them to a list. Those that tell its origin are set here, so that a workload's own
// labels cannot claim another.
func workloadLabels(list []labelindex.Label, obj *v3.WorkloadEndpoint, namespace string) []labelindex.Label {
	for name, value := range obj.Labels {
		if name != selector.NamespaceLabel && name != rule.OrchestratorLabel && name != rule.ServiceAccountLabel {
			list = append(list, labelindex.Label{Name: name, Value: value})
		}
	}
	list = append(list, labelindex.Label{Name: selector.NamespaceLabel, Value: namespace})
	for _, origin := range [...]labelindex.Label{
		{Name: rule.OrchestratorLabel, Value: obj.Spec.Orchestrator}, {Name: rule.ServiceAccountLabel, Value: obj.Spec.ServiceAccountName},
	} {
		if origin.Value != "" && len(origin.Value) <= maxLabelValue {
			list = append(list, origin)
		}
	}
	return list
}

func (s *workloads) put(c *Change, obj *v3.WorkloadEndpoint) api.FieldErrors {
	key := c.Key
	var wrong faults
	s.nets = hostPrefixes(&wrong, s.nets[:0], "spec.ipNetworks", obj.Spec.IPNetworks)
	now := item{nets: s.nets, ports: s.ports[:0], node: obj.Spec.Node, revision: c.Revision}
	for i, p := range obj.Spec.Ports {
		now.addPort(&wrong, i, p.Name, p.Protocol, p.Port)
	}
	s.ports = now.ports
	spoof := prefixes(&wrong, nil, "spec.allowSpoofedSourcePrefixes", obj.Spec.AllowSpoofedSourcePrefixes)
	floating, ports := readFloating(&wrong, obj.Spec.IPNATs), readHostPorts(&wrong, obj.Spec.Ports, now.nets)
	if wrong.list != nil {
		return wrong.list
	}
	s.labels = workloadLabels(s.labels[:0], obj, key.Namespace)
	it := s.items.open(key)
	s.reach.release(it)
	s.items.update(key, it, now, s.labels, obj.Spec.Profiles)
	s.reach.hold(it)
	s.reach.putFloats(key, floating, it.node, c.Revision)
	if obj.Spec.Node != s.self {
		return nil // nor was it ours before: the node is part of the name
	}
	s.locals.put(desired.Endpoint{
		ID: idOf(key), Interface: cloned(obj.Spec.InterfaceName), Addrs: addresses(now.nets), SpoofPrefixes: spoof,
		FloatingIPs: floating, HostPorts: ports, Revision: c.Revision,
	}, c.Local, slices.Clone(s.labels), slices.Clone(obj.Spec.Profiles))
	return nil
}

func (s *workloads) remove(key api.Key) {
	s.reach.release(s.items.workload(key))
	s.reach.removeFloats(key)
	s.items.remove(key)
	s.locals.remove(idOf(key))
}

func (s *workloads) has(key api.Key) bool { return s.items.workload(key) != nil }

func idOf(key api.Key) desired.EndpointID {
	return desired.EndpointID{Namespace: intern(key.Namespace), Name: intern(key.Name)}
}

// addresses returns the addresses of host prefixes, sorted, without repetitions.
func addresses(hosts []netip.Prefix) []netip.Addr {
	out := make([]netip.Addr, 0, len(hosts))
	for _, p := range hosts {
		out = append(out, p.Addr())
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return unlessEmpty(slices.Compact(out))
}

func unlessEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
