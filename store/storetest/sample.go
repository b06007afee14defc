// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
)

// Sample returns an object of a kind with what every datastore asks of it, one that has a schema too.
func Sample(kind *api.Kind) api.Object {
	obj := kind.New()
	obj.SetName("x.y-1")
	obj.SetLabels(map[string]string{"app": "backend"})
	if kind.Namespaced {
		obj.SetNamespace("prod")
	}
	all := clusterpolicy.PolicySubject{Namespaces: &metav1.LabelSelector{}}
	switch o := obj.(type) {
	case *v3.IPPool:
		o.Spec.CIDR = "10.0.0.0/16"
	case *v3.BlockAffinity:
		o.Spec.CIDR = "10.0.0.0/26"
	case *v3.BGPPeer:
		o.Spec.PeerSelector = "all()"
	case *v3.WorkloadEndpoint:
		o.Spec = v3.WorkloadEndpointSpec{Orchestrator: "k8s", Node: "n1", Pod: "x", Endpoint: "eth0"}
	case *v3.HostEndpoint:
		o.Spec.Node, o.Spec.InterfaceName = "n1", "eth0"
	case *v3.IPAMConfiguration, *v3.ClusterInformation, *v3.KubeControllersConfiguration, *v3.BGPConfiguration:
		o.SetName("default")
	case *v3.FelixConfiguration:
		o.Name = "node.x"
	case *v3.IPAMBlock:
		o.Spec = v3.IPAMBlockSpec{CIDR: "10.0.0.0/26", Allocations: []*int{nil}, Unallocated: []int{0}, Attributes: []v3.AllocationAttribute{}}
	case *v3.IPAMHandle:
		o.Spec = v3.IPAMHandleSpec{HandleID: "h", Block: map[string]int{"10.0.0.0/26": 1}}
	case *clusterpolicy.ClusterNetworkPolicy:
		o.Spec.Tier, o.Spec.Subject = "Admin", all
	case *clusterpolicy.AdminNetworkPolicy:
		o.Spec.Subject = all
	case *clusterpolicy.BaselineAdminNetworkPolicy:
		o.Name, o.Spec.Subject = "default", all
	case *discoveryv1.EndpointSlice:
		o.AddressType, o.Endpoints = discoveryv1.AddressTypeIPv4, []discoveryv1.Endpoint{}
	case *corev1.Namespace:
		o.Name = "x-y-1"
	case *corev1.Service:
		o.Name, o.Spec.Ports = "x-y-1", []corev1.ServicePort{{Port: 80}}
	}
	return obj
}
