// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strconv"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
)

// field is a column of one kind's table.
type field struct {
	header string
	wide   bool
	value  func(api.Object) string
	// written shows the object as it was written, without defaults.
	written bool
}

// of adapts a typed accessor.
func of[T api.Object](f func(T) string) func(api.Object) string {
	return func(obj api.Object) string {
		if typed, ok := obj.(T); ok {
			return f(typed)
		}
		return ""
	}
}

// fields lists what a table shows besides namespace, name and age.
var fields = map[api.Resource][]field{
	api.IPPools: {
		{header: "CIDR", value: of(func(p *v3.IPPool) string { return p.Spec.CIDR })},
		{header: "BLOCK", value: of(func(p *v3.IPPool) string { return number(p.Spec.BlockSize) })},
		{header: "NAT", value: of(func(p *v3.IPPool) string { return truth(p.Spec.NATOutgoing) })},
		{header: "IPIP", value: of(func(p *v3.IPPool) string { return string(p.Spec.IPIPMode) })},
		{header: "VXLAN", value: of(func(p *v3.IPPool) string { return string(p.Spec.VXLANMode) })},
		{header: "DISABLED", value: of(func(p *v3.IPPool) string { return truth(p.Spec.Disabled) })},
		{header: "SELECTOR", wide: true, value: of(func(p *v3.IPPool) string { return p.Spec.NodeSelector })},
	},
	api.IPReservations: {{header: "CIDRS", value: of(func(r *v3.IPReservation) string { return few(r.Spec.ReservedCIDRs) })}},
	api.Nodes: {
		{header: "AS", value: of(func(n *v3.Node) string { return bgpOf(n, nodeASN) })},
		{header: "IPV4", value: of(func(n *v3.Node) string { return bgpOf(n, func(b *v3.NodeBGPSpec) string { return b.IPv4Address }) })},
		{header: "IPV6", value: of(func(n *v3.Node) string { return bgpOf(n, func(b *v3.NodeBGPSpec) string { return b.IPv6Address }) })},
		{header: "REFLECTOR", wide: true, value: of(func(n *v3.Node) string {
			return bgpOf(n, func(b *v3.NodeBGPSpec) string { return b.RouteReflectorClusterID })
		})},
	},
	api.BGPConfigurations: {
		{header: "AS", value: of(func(c *v3.BGPConfiguration) string { return asn(c.Spec.ASNumber) })},
		{header: "MESH", value: of(func(c *v3.BGPConfiguration) string { return truth(c.Spec.NodeToNodeMeshEnabled) })},
		{header: "PORT", value: of(func(c *v3.BGPConfiguration) string { return number(c.Spec.ListenPort) })},
	},
	api.BGPPeers: {
		{header: "PEER", value: of(func(p *v3.BGPPeer) string { return p.Spec.PeerIP + p.Spec.PeerSelector })},
		{header: "NODE", value: of(peerNode)},
		{header: "AS", value: of(func(p *v3.BGPPeer) string { return asn(p.Spec.ASNumber) })},
	},
	api.WorkloadEndpoints: {
		{header: "WORKLOAD", value: of(func(w *v3.WorkloadEndpoint) string { return w.Spec.Pod + w.Spec.Workload })},
		{header: "NODE", value: of(func(w *v3.WorkloadEndpoint) string { return w.Spec.Node })},
		{header: "NETWORKS", value: of(func(w *v3.WorkloadEndpoint) string { return joinComma(w.Spec.IPNetworks) })},
		{header: "INTERFACE", value: of(func(w *v3.WorkloadEndpoint) string { return w.Spec.InterfaceName })},
		{header: "PROFILES", wide: true, value: of(func(w *v3.WorkloadEndpoint) string { return joinComma(w.Spec.Profiles) })},
	},
	api.HostEndpoints: {
		{header: "NODE", value: of(func(h *v3.HostEndpoint) string { return h.Spec.Node })},
		{header: "INTERFACE", value: of(func(h *v3.HostEndpoint) string { return h.Spec.InterfaceName })},
		{header: "IPS", value: of(func(h *v3.HostEndpoint) string { return joinComma(h.Spec.ExpectedIPs) })},
	},
	api.Tiers: {
		{header: "ORDER", value: of(func(t *v3.Tier) string { return order(t.Spec.Order) })},
		{header: "DEFAULT-ACTION", value: of(func(t *v3.Tier) string { return string(t.Spec.DefaultAction) })},
	},
	api.NetworkPolicies: {
		{header: "TIER", value: of(func(p *v3.NetworkPolicy) string { return p.Spec.Tier })},
		{header: "ORDER", value: of(func(p *v3.NetworkPolicy) string { return order(p.Spec.Order) })},
		{header: "TYPES", value: of(func(p *v3.NetworkPolicy) string { return joinTypes(p.Spec.Types) })},
		{header: "SELECTOR", value: of(func(p *v3.NetworkPolicy) string { return p.Spec.Selector })},
	},
	api.GlobalNetworkPolicies: {
		{header: "TIER", value: of(func(p *v3.GlobalNetworkPolicy) string { return p.Spec.Tier })},
		{header: "ORDER", value: of(func(p *v3.GlobalNetworkPolicy) string { return order(p.Spec.Order) })},
		{header: "TYPES", value: of(func(p *v3.GlobalNetworkPolicy) string { return joinTypes(p.Spec.Types) })},
		{header: "SELECTOR", value: of(func(p *v3.GlobalNetworkPolicy) string { return p.Spec.Selector })},
	},
	api.StagedNetworkPolicies: {
		{header: "ACTION", value: of(func(p *v3.StagedNetworkPolicy) string { return string(p.Spec.StagedAction) })},
		{header: "TIER", value: of(func(p *v3.StagedNetworkPolicy) string { return p.Spec.Tier })},
		{header: "ORDER", value: of(func(p *v3.StagedNetworkPolicy) string { return order(p.Spec.Order) })},
		{header: "TYPES", value: of(func(p *v3.StagedNetworkPolicy) string { return joinTypes(p.Spec.Types) })},
		{header: "SELECTOR", value: of(func(p *v3.StagedNetworkPolicy) string { return p.Spec.Selector })},
	},
	api.StagedGlobalNetworkPolicies: {
		{header: "ACTION", value: of(func(p *v3.StagedGlobalNetworkPolicy) string { return string(p.Spec.StagedAction) })},
		{header: "TIER", value: of(func(p *v3.StagedGlobalNetworkPolicy) string { return p.Spec.Tier })},
		{header: "ORDER", value: of(func(p *v3.StagedGlobalNetworkPolicy) string { return order(p.Spec.Order) })},
		{header: "TYPES", value: of(func(p *v3.StagedGlobalNetworkPolicy) string { return joinTypes(p.Spec.Types) })},
		{header: "SELECTOR", value: of(func(p *v3.StagedGlobalNetworkPolicy) string { return p.Spec.Selector })},
	},
	api.StagedKubernetesNetworkPolicies: {
		{header: "ACTION", value: of(func(p *v3.StagedKubernetesNetworkPolicy) string { return string(p.Spec.StagedAction) })},
		{header: "TYPES", value: of(func(p *v3.StagedKubernetesNetworkPolicy) string { return kubeTypes(p.Spec.PolicyTypes) })},
		{header: "POD-SELECTOR", value: of(func(p *v3.StagedKubernetesNetworkPolicy) string { return podSelector(p.Spec.PodSelector) })},
	},
	api.KubeNetworkPolicies: {
		{header: "TYPES", value: of(func(p *networkingv1.NetworkPolicy) string { return kubeTypes(p.Spec.PolicyTypes) })},
		{header: "POD-SELECTOR", value: of(func(p *networkingv1.NetworkPolicy) string { return podSelector(p.Spec.PodSelector) })},
	},
	api.ClusterNetworkPolicies: {
		{header: "TIER", value: of(func(p *clusterpolicy.ClusterNetworkPolicy) string { return p.Spec.Tier })},
		{header: "PRIORITY", value: of(func(p *clusterpolicy.ClusterNetworkPolicy) string { return strconv.Itoa(int(p.Spec.Priority)) })},
		{header: "TYPES", value: of(func(p *clusterpolicy.ClusterNetworkPolicy) string { return formTypes(p.Form()) })},
		{header: "SUBJECT", value: of(func(p *clusterpolicy.ClusterNetworkPolicy) string { return subject(&p.Spec.Subject) })},
	},
	api.AdminNetworkPolicies: {
		{header: "PRIORITY", value: of(func(p *clusterpolicy.AdminNetworkPolicy) string { return strconv.Itoa(int(p.Spec.Priority)) })},
		{header: "TYPES", value: of(func(p *clusterpolicy.AdminNetworkPolicy) string { return formTypes(p.Form()) })},
		{header: "SUBJECT", value: of(func(p *clusterpolicy.AdminNetworkPolicy) string { return subject(&p.Spec.Subject) })},
	},
	api.BaselineAdminNetworkPolicies: {
		{header: "TYPES", value: of(func(p *clusterpolicy.BaselineAdminNetworkPolicy) string { return formTypes(p.Form()) })},
		{header: "SUBJECT", value: of(func(p *clusterpolicy.BaselineAdminNetworkPolicy) string { return subject(&p.Spec.Subject) })},
	},
	api.Services: {
		{header: "TYPE", value: of(func(s *corev1.Service) string { return string(s.Spec.Type) })},
		{header: "CLUSTER-IPS", value: of(func(s *corev1.Service) string { return few(s.Spec.ClusterIPs) })},
	},
	api.EndpointSlices: {
		{header: "SERVICE", value: of(func(s *discoveryv1.EndpointSlice) string { return s.Labels[discoveryv1.LabelServiceName] })},
		{header: "ADDRESSES", value: of(func(s *discoveryv1.EndpointSlice) string { return few(sliceAddresses(s)) })},
	},
	api.Leases:              {{header: "HOLDER", value: of(func(l *coordinationv1.Lease) string { return deref(l.Spec.HolderIdentity) })}},
	api.NetworkSets:         {{header: "NETS", value: of(func(s *v3.NetworkSet) string { return few(s.Spec.Nets) })}},
	api.GlobalNetworkSets:   {{header: "NETS", value: of(func(s *v3.GlobalNetworkSet) string { return few(s.Spec.Nets) })}},
	api.FelixConfigurations: {{header: "FIELDS-SET", value: setFields, written: true}},
	api.Profiles: {
		{header: "INGRESS-RULES", value: of(func(p *v3.Profile) string { return strconv.Itoa(len(p.Spec.Ingress)) })},
		{header: "EGRESS-RULES", value: of(func(p *v3.Profile) string { return strconv.Itoa(len(p.Spec.Egress)) })},
		{header: "LABELS-TO-APPLY", value: of(func(p *v3.Profile) string { return labelText(p.Spec.LabelsToApply) })},
	},
	api.ClusterInformations: {
		{header: "GUID", value: of(func(c *v3.ClusterInformation) string { return c.Spec.ClusterGUID })},
		{header: "TYPE", value: of(func(c *v3.ClusterInformation) string { return c.Spec.ClusterType })},
		{header: "VERSION", value: of(func(c *v3.ClusterInformation) string { return c.Spec.CalicoVersion })},
		{header: "READY", value: of(func(c *v3.ClusterInformation) string { return truth(c.Spec.DatastoreReady) })},
	},
	api.IPAMConfigurations: {
		{header: "STRICT-AFFINITY", value: of(func(c *v3.IPAMConfiguration) string { return truth(c.Spec.StrictAffinity) })},
		{header: "AUTO-BLOCKS", value: of(func(c *v3.IPAMConfiguration) string { return truth(c.Spec.AutoAllocateBlocks) })},
		{header: "MAX-BLOCKS", value: of(func(c *v3.IPAMConfiguration) string { return number(c.Spec.MaxBlocksPerHost) })},
	},
	api.KubeControllersConfigurations: {
		{header: "AUTO-HOST-ENDPOINTS", value: of(autoCreate)},
	},
	api.IPAMHandles: {
		{header: "ADDRESSES", value: of(func(h *v3.IPAMHandle) string { n, _ := blockCounts(h.Spec.Block); return n })},
		{header: "BLOCKS", value: of(func(h *v3.IPAMHandle) string { _, blocks := blockCounts(h.Spec.Block); return blocks })},
	},
	api.IPAMBlocks: {
		{header: "CIDR", value: of(func(b *v3.IPAMBlock) string { return b.Spec.CIDR })},
		{header: "AFFINITY", value: of(func(b *v3.IPAMBlock) string { return deref(b.Spec.Affinity) })},
		{header: "FREE", value: of(func(b *v3.IPAMBlock) string { return strconv.Itoa(len(b.Spec.Unallocated)) })},
	},
	api.BlockAffinities: {
		{header: "CIDR", value: of(func(a *v3.BlockAffinity) string { return a.Spec.CIDR })},
		{header: "NODE", value: of(func(a *v3.BlockAffinity) string { return a.Spec.Node })},
		{header: "STATE", value: of(func(a *v3.BlockAffinity) string { return a.Spec.State })},
	},
}
