// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// rackLabel says in which subnet a node lives, so that a BGPPeer can select the nodes of one router.
const rackLabel = "rack"

// namespaceLabel is what Kubernetes puts on every namespace (KEP-2161).
const namespaceLabel = "kubernetes.io/metadata.name"

// DefaultNamespace is where workloads without a namespace live.
const DefaultNamespace = "default"

// object returns an empty object of a resource with its name and, through fill, its content.
func object[T api.Object](resource api.Resource, name string, fill func(T)) api.Object {
	obj := resource.Kind().New()
	obj.SetName(name)
	fill(obj.(T))
	return obj
}

// seedObjects is what an operator would apply to a new cluster of this shape.
func seedObjects(s Spec, p plan) []api.Object {
	objs := []api.Object{namespaceObject(DefaultNamespace)}
	for i, cidr := range s.Pools {
		objs = append(objs, object(api.IPPools, poolName(i), func(o *v3.IPPool) { o.Spec.CIDR = cidr }))
	}
	for _, n := range p.nodes {
		objs = append(objs, object(api.Nodes, n.name, func(o *v3.Node) { o.Labels = map[string]string{rackLabel: p.subnets[n.subnet].bridge} }))
	}
	if s.MeshOff {
		objs = append(objs, meshObject(false))
	}
	if s.ToR {
		objs = append(objs, torPeers(p)...)
	}
	return objs
}

func namespaceObject(name string) api.Object {
	return object(api.Namespaces, name, func(o *corev1.Namespace) { o.Labels = map[string]string{namespaceLabel: name} })
}

// meshObject is the cluster's BGP configuration with the full mesh on or off.
func meshObject(on bool) api.Object {
	return object(api.BGPConfigurations, "default", func(o *v3.BGPConfiguration) { o.Spec.NodeToNodeMeshEnabled = &on })
}

// torPeers let the nodes of each rack call their router in each family.
func torPeers(p plan) []api.Object {
	var objs []api.Object
	for _, s := range p.subnets {
		for _, gw := range s.gateways {
			name := fmt.Sprintf("tor-%s-v%d", s.bridge, familyOf(gw.Addr()))
			objs = append(objs, peerObject(name, gw.Addr(), ToRAS, fmt.Sprintf("%s == '%s'", rackLabel, s.bridge)))
		}
	}
	return objs
}

// reflectorPeers let every node call the reflector in each family.
func reflectorPeers(p plan) []api.Object {
	var objs []api.Object
	for _, a := range p.reflector.addrs {
		objs = append(objs, peerObject(fmt.Sprintf("reflector-v%d", familyOf(a.Addr())), a.Addr(), NodeAS, "all()"))
	}
	return objs
}

func peerObject(name string, addr netip.Addr, as uint32, nodes string) api.Object {
	return object(api.BGPPeers, name, func(o *v3.BGPPeer) {
		o.Spec.PeerIP, o.Spec.ASNumber, o.Spec.NodeSelector = addr.String(), &v3.ASNumber{Value: as}, nodes
	})
}
