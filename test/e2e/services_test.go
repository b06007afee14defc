// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
)

// TestServiceAddresses: BIRD on the router hears of the addresses of services, ranges from all nodes and single addresses from those with an endpoint, as
// services, endpoints, labels and settings change, and after an agent was killed.
func TestServiceAddresses(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "svcaddr", Nodes: 2, ToR: true})
	config := &v3.BGPConfiguration{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "BGPConfiguration"}, ObjectMeta: v3.ObjectMeta{Name: "default"}}
	config.Spec.ServiceClusterIPs = []v3.CIDRBlock{{CIDR: "10.96.0.0/16"}, {CIDR: "fd96::/112"}}
	config.Spec.ServiceExternalIPs = []v3.CIDRBlock{{CIDR: "192.0.2.0/28"}}
	config.Spec.ServiceLoadBalancerIPs = []v3.CIDRBlock{{CIDR: "203.0.113.0/24"}}
	c.apply(config)
	ranges := map[string]string{"10.96.0.0/16": "n1 n2", "fd96::/112": "n1 n2", "192.0.2.0/28": "n1 n2", "203.0.113.0/24": "n1 n2"}
	c.announced("ranges", ranges)

	web := &corev1.Service{ObjectMeta: v3.ObjectMeta{Namespace: "shop", Name: "web"}}
	web.APIVersion, web.Kind = "v1", "Service"
	web.Spec = corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.96.0.7", ClusterIPs: []string{"10.96.0.7", "fd96::7"}, ExternalIPs: []string{"192.0.2.7", "198.18.0.7"},
		ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
	}
	web.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "203.0.113.7"}}
	endpoint := func(node string, ready bool) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{ObjectMeta: v3.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
		s.APIVersion, s.Kind, s.AddressType = "discovery.k8s.io/v1", "EndpointSlice", discoveryv1.AddressTypeIPv4
		s.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.65.0.9"}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}
		return s
	}
	with := func(more map[string]string) map[string]string {
		for prefix, nodes := range ranges {
			more[prefix] = nodes
		}
		return more
	}
	c.apply(web, endpoint("n2", true))
	c.announced("an endpoint on n2", with(map[string]string{"10.96.0.7/32": "n2", "192.0.2.7/32": "n2", "203.0.113.7/32": "n2"}))
	c.apply(endpoint("n1", true))
	moved := with(map[string]string{"10.96.0.7/32": "n1", "192.0.2.7/32": "n1", "203.0.113.7/32": "n1"})
	c.announced("it has moved to n1", moved)
	c.crash("n1")
	c.announced("the agent of n1 was killed", moved)
	c.apply(endpoint("n1", false))
	c.announced("it is not ready", ranges)

	web.Spec.ExternalTrafficPolicy, config.Spec.ServiceLoadBalancerAggregation = corev1.ServiceExternalTrafficPolicyCluster, "Disabled"
	c.apply(web, config)
	delete(ranges, "203.0.113.0/24")
	c.announced("one by one", with(map[string]string{"203.0.113.7/32": "n1 n2"}))
	c.apply(&v3.BGPConfiguration{TypeMeta: config.TypeMeta, ObjectMeta: config.ObjectMeta})
	c.announced("nothing any more", map[string]string{})
}

// announced waits until the router has exactly the given prefixes of services, each from the given nodes.
func (c *cluster) announced(when string, want map[string]string) {
	c.t.Helper()
	c.eventually(when, func() error {
		got := map[string]string{}
		for _, table := range []string{"master4", "master6"} {
			lines, err := c.ToR(c.t.Context(), "show route table "+table+" all where source = RTS_BGP")
			if err != nil {
				return err
			}
			c.collect(got, lines)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("the router has %v, want %v", got, want)
		}
		return nil
	})
}

// collect adds the ways to services in an answer of BIRD's `show route all`: prefixes with the nodes that are next hops.
func (c *cluster) collect(got map[string]string, lines []string) {
	prefix := ""
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.Contains(fields[0], "/") {
			prefix = fields[0]
		}
		if len(fields) < 2 || fields[0] != "BGP.next_hop:" || !slices.ContainsFunc([]string{"10.96.", "fd96:", "192.0.2.", "203.0.113."}, func(s string) bool { return strings.HasPrefix(prefix, s) }) {
			continue
		}
		for _, node := range c.Nodes() {
			for _, at := range c.places(node) {
				if at.addr.String() == fields[1] {
					all := append(strings.Fields(got[prefix]), node)
					slices.Sort(all)
					got[prefix] = strings.Join(slices.Compact(all), " ")
				}
			}
		}
	}
}
