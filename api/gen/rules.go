// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

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
}

const loadBalancer = "(has(self.allowedUses) && 'LoadBalancer' in self.allowedUses)"

func active(mode string) string {
	return "(has(self." + mode + ") && !(self." + mode + " in ['', 'Never']))"
}

func isTrue(field string) string { return "(has(self." + field + ") && self." + field + ")" }

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
