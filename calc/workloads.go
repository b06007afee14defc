// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// workloads takes workload endpoints in: each is an item of IP sets, and those of this node are local endpoints besides.
type workloads struct {
	self   string
	items  *items
	locals *locals
	reach  *reach
}

// maxLabelValue is Kubernetes' limit; a longer service account name is no label.
const maxLabelValue = 63

// workloadLabels returns the labels of an endpoint as selectors see them. Those that tell its origin are set here, so that a workload's own
// labels cannot claim another.
func workloadLabels(obj *v3.WorkloadEndpoint, namespace string) map[string]string {
	out := namespaced(obj.Labels, namespace)
	setOrigin(out, rule.OrchestratorLabel, obj.Spec.Orchestrator)
	setOrigin(out, rule.ServiceAccountLabel, obj.Spec.ServiceAccountName)
	return out
}

func setOrigin(labels map[string]string, name, value string) {
	if value == "" || len(value) > maxLabelValue {
		delete(labels, name)
	} else {
		labels[name] = value
	}
}

func (s *workloads) put(c *Change, obj *v3.WorkloadEndpoint) api.FieldErrors {
	key := c.Key
	var wrong faults
	it := item{nets: hostPrefixes(&wrong, "spec.ipNetworks", obj.Spec.IPNetworks), node: intern(obj.Spec.Node), revision: c.Revision}
	for i, p := range obj.Spec.Ports {
		it.addPort(&wrong, fmt.Sprintf("spec.ports[%d]", i), p.Name, p.Protocol, p.Port)
	}
	spoof := prefixes(&wrong, "spec.allowSpoofedSourcePrefixes", obj.Spec.AllowSpoofedSourcePrefixes)
	floating, ports := readFloating(&wrong, obj.Spec.IPNATs), readHostPorts(&wrong, obj.Spec.Ports, it.nets)
	if wrong.list != nil {
		return wrong.list
	}
	labels := workloadLabels(obj, key.Namespace)
	s.reach.release(s.items.workload(key))
	s.items.put(key, it, labels, obj.Spec.Profiles)
	s.reach.hold(s.items.workload(key))
	s.reach.putFloats(key, floating, it.node, c.Revision)
	if obj.Spec.Node != s.self {
		return nil // nor was it ours before: the node is part of the name
	}
	s.locals.put(desired.Endpoint{
		ID: idOf(key), Interface: cloned(obj.Spec.InterfaceName), Addrs: addresses(it.nets), SpoofPrefixes: unlessEmpty(spoof),
		FloatingIPs: floating, HostPorts: ports, Revision: c.Revision,
	}, c.Local, labels, slices.Clone(obj.Spec.Profiles))
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
