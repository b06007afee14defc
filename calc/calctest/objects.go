// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
)

// Labels is short for a label map.
type Labels = map[string]string

// meta returns metadata for "name" or "namespace/name".
func meta(name string, labels Labels) v3.ObjectMeta {
	namespace, rest, found := strings.Cut(name, "/")
	if !found {
		return v3.ObjectMeta{Name: name, Labels: labels}
	}
	return v3.ObjectMeta{Namespace: namespace, Name: rest, Labels: labels}
}

// Endpoint returns a Kubernetes pod's endpoint: name is "namespace/pod", addrs are addresses. It lists the profiles of its namespace and of
// service account "default".
func Endpoint(name, node string, labels Labels, addrs ...string) *v3.WorkloadEndpoint {
	namespace, pod, _ := strings.Cut(name, "/")
	w := &v3.WorkloadEndpoint{
		ObjectMeta: meta(name, labels),
		Spec: v3.WorkloadEndpointSpec{
			Orchestrator: "k8s", Node: node, Pod: pod, Endpoint: "eth0", InterfaceName: "cali" + pod, ServiceAccountName: "default",
			Profiles: []string{"kns." + namespace, "ksa." + namespace + ".default"},
			Ports:    []v3.WorkloadEndpointPort{{Name: "http", Protocol: intstr.FromString("TCP"), Port: 8080}},
		},
	}
	w.Name = v3.WorkloadEndpointName(&w.Spec)
	for _, a := range addrs {
		bits := "/32"
		if strings.Contains(a, ":") {
			bits = "/128"
		}
		w.Spec.IPNetworks = append(w.Spec.IPNetworks, a+bits)
	}
	return w
}

// HostEndpoint returns a host endpoint with a named port "ssh".
func HostEndpoint(name, node string, labels Labels, addrs ...string) *v3.HostEndpoint {
	return &v3.HostEndpoint{
		ObjectMeta: meta(name, labels),
		Spec: v3.HostEndpointSpec{
			Node: node, InterfaceName: "eth0", ExpectedIPs: addrs,
			Ports: []v3.HostEndpointPort{{Name: "ssh", Protocol: intstr.FromString("TCP"), Port: 22}},
		},
	}
}

// NetworkSet returns a network set; name is "namespace/name".
func NetworkSet(name string, labels Labels, nets ...string) *v3.NetworkSet {
	return &v3.NetworkSet{ObjectMeta: meta(name, labels), Spec: v3.NetworkSetSpec{Nets: nets}}
}

// GlobalNetworkSet returns a network set of the whole cluster.
func GlobalNetworkSet(name string, labels Labels, nets ...string) *v3.GlobalNetworkSet {
	return &v3.GlobalNetworkSet{ObjectMeta: meta(name, labels), Spec: v3.NetworkSetSpec{Nets: nets}}
}

// Namespace returns a Kubernetes namespace.
func Namespace(name string, labels Labels) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: meta(name, labels)}
}

// ServiceAccount returns a Kubernetes service account; name is "namespace/name".
func ServiceAccount(name string, labels Labels) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: meta(name, labels)}
}

// Policy returns a policy of one namespace; name is "namespace/name".
func Policy(name string, edit func(*v3.NetworkPolicySpec)) *v3.NetworkPolicy {
	p := &v3.NetworkPolicy{ObjectMeta: meta(name, nil)}
	edit(&p.Spec)
	return p
}

// GlobalPolicy returns a policy of the whole cluster.
func GlobalPolicy(name string, edit func(*v3.GlobalNetworkPolicySpec)) *v3.GlobalNetworkPolicy {
	p := &v3.GlobalNetworkPolicy{ObjectMeta: meta(name, nil)}
	edit(&p.Spec)
	return p
}

// Staged returns a preview of a policy.
func Staged(action v3.StagedAction, p *v3.NetworkPolicy) *v3.StagedNetworkPolicy {
	return &v3.StagedNetworkPolicy{ObjectMeta: p.ObjectMeta, Spec: v3.StagedNetworkPolicySpec{StagedAction: action, NetworkPolicySpec: p.Spec}}
}

// StagedGlobal returns a preview of a policy of the whole cluster.
func StagedGlobal(action v3.StagedAction, p *v3.GlobalNetworkPolicy) *v3.StagedGlobalNetworkPolicy {
	return &v3.StagedGlobalNetworkPolicy{ObjectMeta: p.ObjectMeta, Spec: v3.StagedGlobalNetworkPolicySpec{StagedAction: action, GlobalNetworkPolicySpec: p.Spec}}
}

// StagedKube returns a preview of a Kubernetes policy.
func StagedKube(action v3.StagedAction, p *networkingv1.NetworkPolicy) *v3.StagedKubernetesNetworkPolicy {
	s := &p.Spec
	return &v3.StagedKubernetesNetworkPolicy{ObjectMeta: p.ObjectMeta, Spec: v3.StagedKubernetesNetworkPolicySpec{
		StagedAction: action, PodSelector: s.PodSelector, PolicyTypes: s.PolicyTypes, Ingress: s.Ingress, Egress: s.Egress,
	}}
}

// KubePolicy returns a Kubernetes policy; name is "namespace/name".
func KubePolicy(name string, edit func(*networkingv1.NetworkPolicySpec)) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: meta(name, nil)}
	edit(&p.Spec)
	return p
}

// From returns a rule with an action that matches the source by selector.
func From(action v3.Action, selector string) v3.Rule {
	return v3.Rule{Action: action, Source: &v3.EntityRule{Selector: selector}}
}

// ToPort returns a rule with an action that matches the destination by TCP port, a number or a name.
func ToPort(action v3.Action, ports ...intstr.IntOrString) v3.Rule {
	tcp := intstr.FromString("TCP")
	return v3.Rule{Action: action, Protocol: &tcp, Destination: &v3.EntityRule{Ports: ports}}
}

// Profile returns a profile that allows everything into its endpoints.
func Profile(name string, labels Labels) *v3.Profile {
	return &v3.Profile{ObjectMeta: meta(name, nil), Spec: v3.ProfileSpec{Ingress: []v3.Rule{{Action: v3.Allow}}, LabelsToApply: labels}}
}

// Tier returns a tier.
func Tier(name string, order float64, end v3.Action) *v3.Tier {
	return &v3.Tier{ObjectMeta: meta(name, nil), Spec: v3.TierSpec{Order: &order, DefaultAction: end}}
}

// Node returns a node that speaks BGP from its addresses ("192.0.2.1/24"); an empty one is left out.
func Node(name string, labels Labels, v4, v6 string) *v3.Node {
	return &v3.Node{ObjectMeta: meta(name, labels), Spec: v3.NodeSpec{BGP: &v3.NodeBGPSpec{IPv4Address: v4, IPv6Address: v6}}}
}

// BGPConfig returns a BGPConfiguration.
func BGPConfig(name string, edit func(*v3.BGPConfigurationSpec)) *v3.BGPConfiguration {
	c := &v3.BGPConfiguration{ObjectMeta: meta(name, nil)}
	edit(&c.Spec)
	return c
}

// CIDRs returns ranges as a BGPConfiguration has them.
func CIDRs(list ...string) (out []v3.CIDRBlock) {
	for _, cidr := range list {
		out = append(out, v3.CIDRBlock{CIDR: cidr})
	}
	return out
}

// Service returns a Service with its cluster IPs.
func Service(name string, clusterIPs ...string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name, nil), Spec: corev1.ServiceSpec{ClusterIP: clusterIPs[0], ClusterIPs: clusterIPs}}
}

// BGPPeer returns a BGPPeer.
func BGPPeer(name string, edit func(*v3.BGPPeerSpec)) *v3.BGPPeer {
	p := &v3.BGPPeer{ObjectMeta: meta(name, nil)}
	edit(&p.Spec)
	return p
}

// FelixConfig returns a FelixConfiguration.
func FelixConfig(name string, edit func(*v3.FelixConfigurationSpec)) *v3.FelixConfiguration {
	c := &v3.FelixConfiguration{ObjectMeta: meta(name, nil)}
	edit(&c.Spec)
	return c
}

// Slice returns endpoints of a service with one TCP port; both names are "namespace/name" of one namespace, port 0 leaves the number out.
func Slice(name, service string, port int32, addrs ...string) *discoveryv1.EndpointSlice {
	_, own, _ := strings.Cut(service, "/")
	s := &discoveryv1.EndpointSlice{ObjectMeta: meta(name, Labels{discoveryv1.LabelServiceName: own}), AddressType: discoveryv1.AddressTypeIPv4}
	if len(addrs) > 0 && strings.Contains(addrs[0], ":") {
		s.AddressType = discoveryv1.AddressTypeIPv6
	}
	for _, a := range addrs {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	s.Ports = []discoveryv1.EndpointPort{{}}
	if port != 0 {
		s.Ports[0].Port = &port
	}
	return s
}

// ToService returns a rule with an action that matches the destination by service; without a namespace it is one of the policy's.
func ToService(action v3.Action, namespace, name string) v3.Rule {
	return v3.Rule{Action: action, Destination: &v3.EntityRule{Services: &v3.ServiceMatch{Namespace: namespace, Name: name}}}
}

// Affinity returns a node's confirmed claim on a block.
func Affinity(node, cidr string) *v3.BlockAffinity {
	name := node + "-" + strings.NewReplacer(".", "-", ":", "-", "/", "-").Replace(cidr)
	return &v3.BlockAffinity{ObjectMeta: meta(name, nil), Spec: v3.BlockAffinitySpec{State: "confirmed", Node: node, Type: "host", CIDR: cidr}}
}

// Pool returns an IP pool.
func Pool(name, cidr string) *v3.IPPool {
	return &v3.IPPool{ObjectMeta: meta(name, nil), Spec: v3.IPPoolSpec{CIDR: cidr}}
}

// as returns an AS number.
func as(n uint32) *v3.ASNumber { return &v3.ASNumber{Value: n} }

// every returns a label selector of Kubernetes.
func every(labels Labels) *metav1.LabelSelector { return &metav1.LabelSelector{MatchLabels: labels} }
