// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// annotations are where Kubernetes' Node keeps the fields of ours, as Calico has them.
var annotations = []struct {
	name string
	of   func(*v3.Node) *string // nil: the part of the object that it belongs to is not there
}{
	{"projectcalico.org/IPv4Address", inBGP(func(b *v3.NodeBGPSpec) *string { return &b.IPv4Address })},
	{"projectcalico.org/IPv6Address", inBGP(func(b *v3.NodeBGPSpec) *string { return &b.IPv6Address })},
	{"projectcalico.org/IPv4IPIPTunnelAddr", inBGP(func(b *v3.NodeBGPSpec) *string { return &b.IPv4IPIPTunnelAddr })},
	{"projectcalico.org/RouteReflectorClusterID", inBGP(func(b *v3.NodeBGPSpec) *string { return &b.RouteReflectorClusterID })},
	{"projectcalico.org/IPv4VXLANTunnelAddr", func(n *v3.Node) *string { return &n.Spec.IPv4VXLANTunnelAddr }},
	{"projectcalico.org/IPv6VXLANTunnelAddr", func(n *v3.Node) *string { return &n.Spec.IPv6VXLANTunnelAddr }},
	{"projectcalico.org/VXLANTunnelMACAddr", func(n *v3.Node) *string { return &n.Spec.VXLANTunnelMACAddr }},
	{"projectcalico.org/VXLANTunnelMACAddrV6", func(n *v3.Node) *string { return &n.Spec.VXLANTunnelMACAddrV6 }},
	{"projectcalico.org/IPv4WireguardInterfaceAddr", inWireguard(func(w *v3.NodeWireguard) *string { return &w.InterfaceIPv4Address })},
	{"projectcalico.org/IPv6WireguardInterfaceAddr", inWireguard(func(w *v3.NodeWireguard) *string { return &w.InterfaceIPv6Address })},
	{"projectcalico.org/WireguardPublicKey", inStatus(func(s *v3.NodeStatus) *string { return &s.WireguardPublicKey })},
	{"projectcalico.org/WireguardPublicKeyV6", inStatus(func(s *v3.NodeStatus) *string { return &s.WireguardPublicKeyV6 })},
}

// asNumber is the annotation of the one field that is no text.
const asNumber = "projectcalico.org/ASNumber"

func inBGP(f func(*v3.NodeBGPSpec) *string) func(*v3.Node) *string {
	return func(n *v3.Node) *string {
		if n.Spec.BGP == nil {
			return nil
		}
		return f(n.Spec.BGP)
	}
}

func inWireguard(f func(*v3.NodeWireguard) *string) func(*v3.Node) *string {
	return func(n *v3.Node) *string {
		if n.Spec.Wireguard == nil {
			return nil
		}
		return f(n.Spec.Wireguard)
	}
}

func inStatus(f func(*v3.NodeStatus) *string) func(*v3.Node) *string {
	return func(n *v3.Node) *string {
		if n.Status == nil {
			return nil
		}
		return f(n.Status)
	}
}

// asNode returns obj as a Node of ours.
func asNode(obj api.Object) (*v3.Node, bool) {
	n, ok := obj.(*v3.Node)
	return n, ok
}

// nodeOf reads our Node from Kubernetes'.
func nodeOf(data []byte) (api.Object, error) {
	var k corev1.Node
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("decode Node: %w", err)
	}
	n := &v3.Node{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "Node"}, ObjectMeta: k.ObjectMeta}
	n.ManagedFields = nil
	bgp, wireguard := &v3.NodeBGPSpec{}, &v3.NodeWireguard{}
	n.Spec.BGP, n.Spec.Wireguard, n.Status = bgp, wireguard, &v3.NodeStatus{PodCIDRs: k.Spec.PodCIDRs}
	for _, a := range annotations {
		*a.of(n) = n.Annotations[a.name]
		delete(n.Annotations, a.name)
	}
	if text := n.Annotations[asNumber]; text != "" {
		bgp.ASNumber = &v3.ASNumber{}
		if err := bgp.ASNumber.UnmarshalJSON([]byte(strconv.Quote(text))); err != nil {
			return nil, fmt.Errorf("metadata.annotations[%s]: %w", asNumber, err)
		}
	}
	delete(n.Annotations, asNumber)
	if *bgp == (v3.NodeBGPSpec{}) {
		n.Spec.BGP = nil
	}
	if *wireguard == (v3.NodeWireguard{}) {
		n.Spec.Wireguard = nil
	}
	if len(n.Annotations) == 0 {
		n.Annotations = nil
	}
	n.Spec.OrchRefs = []v3.OrchRef{{NodeName: k.Name, Orchestrator: v3.OrchestratorKubernetes}}
	n.Spec.Addresses = addressesOf(&k)
	return n, nil
}

// addressesOf returns the addresses that the kubelet reports.
func addressesOf(k *corev1.Node) []v3.NodeAddress {
	var out []v3.NodeAddress
	for _, a := range k.Status.Addresses {
		if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
			out = append(out, v3.NodeAddress{Address: a.Address, Type: string(a.Type)})
		}
	}
	return out
}

// annotated returns the annotations of a Node with those that hold its fields.
func annotated(n *v3.Node) map[string]string {
	out := maps.Clone(n.Annotations)
	if out == nil {
		out = map[string]string{}
	}
	for _, a := range annotations {
		if field := a.of(n); field != nil && *field != "" {
			out[a.name] = *field
		}
	}
	if n.Spec.BGP != nil && n.Spec.BGP.ASNumber != nil {
		out[asNumber] = n.Spec.BGP.ASNumber.String()
	}
	return out
}

// kubeNode renders a new Node of Kubernetes.
func kubeNode(n *v3.Node) ([]byte, error) {
	return json.Marshal(corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels, Annotations: annotated(n)},
	})
}

// updateNode writes what differs in labels and annotations; all else of a Node is Kubernetes'.
func (s *Store) updateNode(ctx context.Context, key api.Key, n *v3.Node, want int64) (api.Object, error) {
	for {
		f, data, err := s.read(ctx, key)
		if err != nil {
			return nil, err
		}
		h, err := headOf(data)
		if err != nil {
			return nil, err
		}
		if err := sameObject(n, h.Metadata.UID); err != nil {
			return nil, err
		}
		if want != 0 && strconv.FormatInt(want, 10) != h.Metadata.ResourceVersion {
			return nil, fmt.Errorf("%w", store.ErrConflict)
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"resourceVersion": h.Metadata.ResourceVersion, "uid": h.Metadata.UID,
			"labels": difference(h.Metadata.Labels, n.Labels), "annotations": difference(h.Metadata.Annotations, annotated(n)),
		}})
		if err != nil {
			return nil, err
		}
		out, err := s.write(ctx, request{verb: "patch", form: f, path: f.path("", key.Name), query: strict, body: patch, media: "application/merge-patch+json"})
		if want != 0 || !errors.Is(err, store.ErrConflict) {
			return out, err
		}
	}
}

// difference is the merge patch (RFC 7396) that makes next of before.
func difference(before, next map[string]string) map[string]*string {
	out := map[string]*string{}
	for k := range before {
		if _, stays := next[k]; !stays {
			out[k] = nil
		}
	}
	for k, v := range next {
		if old, known := before[k]; !known || old != v {
			out[k] = &v
		}
	}
	return out
}
