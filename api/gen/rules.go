// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// rule is one about more than one field, in the Common Expression Language as Kubernetes 1.29 has it. What it refuses Validate of api/v3 refuses as well, which
// store/kubestore checks with a real API server.
type rule struct{ cel, message string }

// onlyDefault is for kinds of which there is one object.
var onlyDefault = rule{"self.metadata.name == 'default'", "there is only one, named default"}

// rootRules concern the whole object, of which rules see no more than the name in its metadata; by kind.
var rootRules = map[string][]rule{
	"IPAMConfiguration":            {onlyDefault},
	"ClusterInformation":           {onlyDefault},
	"KubeControllersConfiguration": {onlyDefault},
	"BGPConfiguration": {
		{"self.metadata.name == 'default' || self.metadata.name.startsWith('node.')", "metadata.name: write default for all nodes or node.<name> for one"},
		{
			"self.metadata.name == 'default' || !(has(self.spec.nodeToNodeMeshEnabled) || has(self.spec.asNumber) || has(self.spec.serviceClusterIPs) || " +
				"has(self.spec.serviceExternalIPs) || has(self.spec.serviceLoadBalancerIPs))",
			"nodeToNodeMeshEnabled, asNumber, serviceClusterIPs, serviceExternalIPs and serviceLoadBalancerIPs are for the whole cluster; set them in the BGPConfiguration named default",
		},
	},
	"HostEndpoint":     {needsSpec("node: required: the node that has the interface")},
	"WorkloadEndpoint": {needsSpec("orchestrator: required")},
	"FelixConfiguration": {
		{
			"self.metadata.name == 'default' || self.metadata.name.startsWith('node.') || has(self.spec.nodeSelector)",
			"metadata.name: write default for all nodes, node.<name> for one, or any name with spec.nodeSelector",
		},
	},
	"Tier": {
		{
			"!has(self.spec.order) || (self.metadata.name == 'default' ? self.spec.order == 1000000.0 : self.metadata.name == 'kube-admin' ? self.spec.order == 1000.0 : " +
				"self.metadata.name == 'kube-baseline' ? self.spec.order == 10000000.0 : true)",
			"spec.order: this tier has a fixed order; remove the field",
		},
		{
			"!has(self.spec.defaultAction) || self.spec.defaultAction == '' || (self.metadata.name == 'default' ? self.spec.defaultAction == 'Deny' : " +
				"self.metadata.name in ['kube-admin', 'kube-baseline'] ? self.spec.defaultAction == 'Pass' : true)",
			"spec.defaultAction: this tier has a fixed default action; remove the field",
		},
	},
}

// specRules concern the spec; by kind.
var specRules = map[string][]rule{
	"IPPool": {
		{hostBits4("self.cidr") + " == 0", "cidr has host bits set; write it without, as in 10.65.0.0/16"},
		{"!(" + active("ipipMode") + " && " + active("vxlanMode") + ")", "ipipMode and vxlanMode exclude each other; choose one of them"},
		{"!(" + active("ipipMode") + " && self.cidr.contains(':'))", "ipipMode: IP-in-IP carries IPv4 only; remove it, or use vxlanMode"},
		{
			"!has(self.blockSize) || self.blockSize == 0 || (self.cidr.contains(':') ? self.blockSize >= 116 && self.blockSize <= 128 : self.blockSize >= 20 && self.blockSize <= 32)",
			"blockSize is out of range; write 20 to 32 for IPv4, 116 to 128 for IPv6",
		},
		{
			"(has(self.disabled) && self.disabled) || int(self.cidr.split('/')[1]) <= " + blockSize("self"),
			"cidr is too small: it does not hold one block; write a larger pool, a greater blockSize, or disabled: true",
		},
		{blockSize("self") + " == " + blockSize("oldSelf"), "blockSize cannot be changed; create another object and move over"},
		{
			"!(has(self.allowedUses) && 'Tunnel' in self.allowedUses && has(self.namespaceSelector) && self.namespaceSelector != '')",
			"namespaceSelector does not fit a pool for tunnels, which have no namespace; remove it, or Tunnel from allowedUses",
		},
		{"!" + loadBalancer + " || self.allowedUses.size() == 1", "allowedUses: LoadBalancer stands alone; make a pool of its own for it"},
		{
			"!" + loadBalancer + " || !(" + active("ipipMode") + " || " + active("vxlanMode") + ")",
			"allowedUses: LoadBalancer addresses are not encapsulated; set ipipMode and vxlanMode to Never",
		},
		{"!" + loadBalancer + " || !has(self.nodeSelector) || self.nodeSelector.trim() in ['', 'all()']", "nodeSelector: a LoadBalancer pool is for all nodes; write all()"},
		{"!" + loadBalancer + " || !has(self.disableBGPExport) || !self.disableBGPExport", "disableBGPExport: a LoadBalancer pool must be advertised; remove it"},
	},
	"IPAMConfiguration": {
		{"!has(self.autoAllocateBlocks) || self.autoAllocateBlocks || " + isTrue("strictAffinity"), "autoAllocateBlocks: false needs strictAffinity: true"},
		{"!has(self.maxBlocksPerHost) || self.maxBlocksPerHost <= 0 || " + isTrue("strictAffinity"), "maxBlocksPerHost needs strictAffinity: true"},
	},
	"BGPConfiguration": {
		{
			"!has(self.nodeToNodeMeshEnabled) || self.nodeToNodeMeshEnabled || !(has(self.nodeMeshPassword) || has(self.nodeMeshMaxRestartTime))",
			"nodeMeshPassword and nodeMeshMaxRestartTime have no use while nodeToNodeMeshEnabled is false; remove them",
		},
		{"!" + some("communities") + " || " + some("prefixAdvertisements"), "communities: are named but not used; use them in prefixAdvertisements, or remove them"},
	},
	"BGPPeer": {
		{"!(" + said("node") + " && " + said("nodeSelector") + ")", "nodeSelector stands beside node; set one of them, or neither for all nodes"},
		{
			"(" + said("peerIP") + " ? 1 : 0) + (" + said("peerSelector") + " ? 1 : 0) + (" + said("localWorkloadSelector") + " ? 1 : 0) == 1",
			"say whom to peer with, by one of peerIP, peerSelector and localWorkloadSelector",
		},
		{said("peerSelector") + " != has(self.asNumber)", "asNumber is the peer's, required with peerIP and localWorkloadSelector; with peerSelector it must be absent"},
		{"!" + said("reachableBy") + " || " + said("peerIP"), "reachableBy needs peerIP"},
	},
	"HostEndpoint": {
		{said("node"), "node: required: the node that has the interface"},
		{said("interfaceName") + " || (has(self.expectedIPs) && self.expectedIPs.size() > 0)", "interfaceName: required, unless expectedIPs names the interface by its addresses; * means all interfaces"},
	},
	"GlobalNetworkPolicy": {
		{"!(" + isTrue("preDNAT") + " && " + isTrue("doNotTrack") + ")", "preDNAT cannot be true together with doNotTrack"},
		{"!(" + isTrue("preDNAT") + " || " + isTrue("doNotTrack") + ") || " + isTrue("applyOnForward"), "applyOnForward must be true with doNotTrack or preDNAT"},
		{"!" + isTrue("preDNAT") + " || !has(self.egress) || self.egress.size() == 0", "egress must be empty with preDNAT, which acts on arriving packets only"},
		{"!" + isTrue("preDNAT") + " || !has(self.types) || !('Egress' in self.types)", "types must not hold Egress with preDNAT, which acts on arriving packets only"},
	},
	"FelixConfiguration": {
		{
			"!" + isTrue("wireguardEnabled") + " || !(" + or("wireguardInterfaceName", wireguard4) + " in " + otherDevices + ")",
			"wireguardInterfaceName: is also the name of another tunnel device; choose another",
		},
		{
			"!" + isTrue("wireguardEnabledV6") + " || !(" + or("wireguardInterfaceNameV6", wireguard6) + " in " + otherDevices + " || " +
				isTrue("wireguardEnabled") + " && " + or("wireguardInterfaceNameV6", wireguard6) + " == " + or("wireguardInterfaceName", wireguard4) + ")",
			"wireguardInterfaceNameV6: is also the name of another tunnel device; choose another",
		},
		{
			"!" + isTrue("wireguardEnabled") + " || " + or("vxlanEnabled", "true") + " == false || " + or("wireguardListeningPort", "51820") + " != " + or("vxlanPort", "4789"),
			"wireguardListeningPort: the UDP port is also vxlanPort; choose another for one of them",
		},
		{
			"!" + isTrue("wireguardEnabledV6") + " || " + or("vxlanEnabled", "true") + " == false || " + or("wireguardListeningPortV6", "51821") + " != " + or("vxlanPort", "4789"),
			"wireguardListeningPortV6: the UDP port is also vxlanPort; choose another for one of them",
		},
		{
			"!(" + isTrue("wireguardEnabled") + " && " + isTrue("wireguardEnabledV6") + ") || " + or("wireguardListeningPort", "51820") + " == 0 || " +
				or("wireguardListeningPortV6", "51821") + " != " + or("wireguardListeningPort", "51820"),
			"wireguardListeningPortV6: the UDP port is also wireguardListeningPort; choose another for one of them",
		},
	},
	"StagedNetworkPolicy": {besideDelete(orders, "(has(self.selector) && !(self.selector in ['', 'all()']))", some("ingress"), some("egress"), said("serviceAccountSelector"))},
	"StagedGlobalNetworkPolicy": {besideDelete(orders, "(has(self.selector) && !(self.selector in ['', 'all()']))", some("ingress"), some("egress"), said("serviceAccountSelector"),
		said("namespaceSelector"), isTrue("doNotTrack"), isTrue("preDNAT"), isTrue("applyOnForward"))},
	"StagedKubernetesNetworkPolicy": {besideDelete(
		"(has(self.podSelector) && (has(self.podSelector.matchLabels) && self.podSelector.matchLabels.size() > 0 || has(self.podSelector.matchExpressions) && self.podSelector.matchExpressions.size() > 0))",
		some("policyTypes"), some("ingress"), some("egress"))},
}

const (
	wireguard4   = "'wireguard.cali'"
	wireguard6   = "'wg-v6.cali'"
	otherDevices = "['vxlan.calico', 'vxlan-v6.calico', 'tunl0']"
	orders       = "has(self.order)"
)

// besideDelete refuses what describes a policy that is only named.
func besideDelete(wrong ...string) rule {
	return rule{
		"!has(self.stagedAction) || self.stagedAction != 'Delete' || !(" + strings.Join(wrong, " || ") + ")",
		"with stagedAction Delete the policy is named and not described; remove the other fields",
	}
}

// needsSpec refuses an object without a spec, of which the rules of the spec see nothing.
func needsSpec(message string) rule { return rule{"has(self.spec)", "spec." + message} }

const loadBalancer = "(has(self.allowedUses) && 'LoadBalancer' in self.allowedUses)"

func active(mode string) string {
	return "(has(self." + mode + ") && !(self." + mode + " in ['', 'Never']))"
}

func isTrue(field string) string { return "(has(self." + field + ") && self." + field + ")" }

// some tells whether a list has elements.
func some(field string) string { return "(has(self." + field + ") && self." + field + ".size() > 0)" }

// or is the value of a field, or its default.
func or(field, otherwise string) string {
	return "(has(self." + field + ") ? self." + field + " : " + otherwise + ")"
}

// hostBits4 are the bits of an IPv4 CIDR behind its prefix; 0 for IPv6, whose addresses Kubernetes 1.29 cannot read: those are for weft to refuse.
func hostBits4(cidr string) string {
	var sizes []string
	for bits := range 33 {
		sizes = append(sizes, fmt.Sprint(uint64(1)<<(32-bits)))
	}
	octet := func(i int) string { return fmt.Sprintf("int(%s.split('/')[0].split('.')[%d])", cidr, i) }
	number := octet(0) + " * 16777216 + " + octet(1) + " * 65536 + " + octet(2) + " * 256 + " + octet(3)
	return "(" + cidr + ".contains(':') ? 0 : (" + number + ") % [" + strings.Join(sizes, ", ") + "][int(" + cidr + ".split('/')[1])])"
}

func said(field string) string { return "(has(self." + field + ") && self." + field + " != '')" }

func blockSize(of string) string {
	return "(has(" + of + ".blockSize) && " + of + ".blockSize != 0 ? " + of + ".blockSize : " + of + ".cidr.contains(':') ? 122 : 26)"
}

// validations are rules as a schema has them, after those that it has already.
func validations(s object, rules []rule) {
	if len(rules) == 0 {
		return
	}
	list, _ := s["x-kubernetes-validations"].([]object)
	for _, r := range rules {
		list = append(list, object{"rule": r.cel, "message": r.message})
	}
	s["x-kubernetes-validations"] = list
}
