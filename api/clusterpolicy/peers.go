// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PolicySubject chooses pods; exactly one field is set.
type PolicySubject struct {
	// Namespaces chooses all pods of namespaces, by the namespaces' labels. The empty selector chooses every namespace.
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	// Pods chooses some pods of namespaces.
	Pods *NamespacedPods `json:"pods,omitempty"`
}

// NamespacedPods chooses pods by their labels and those of their namespaces.
type NamespacedPods struct {
	// NamespaceSelector chooses namespaces by their labels. The empty selector, and none, choose every namespace.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// PodSelector chooses pods by their labels. The empty selector chooses every pod.
	PodSelector metav1.LabelSelector `json:"podSelector"`
}

// IngressPeer chooses sources; exactly one field is set. Pods in the host's network are never chosen.
type IngressPeer struct {
	// Namespaces chooses all pods of namespaces, by the namespaces' labels. The empty selector chooses every namespace.
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	// Pods chooses some pods of namespaces.
	Pods *NamespacedPods `json:"pods,omitempty"`
}

// EgressPeer chooses destinations; exactly one field is set. Pods in the host's network are never chosen as pods.
type EgressPeer struct {
	// Namespaces chooses all pods of namespaces, by the namespaces' labels. The empty selector chooses every namespace.
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	// Pods chooses some pods of namespaces.
	Pods *NamespacedPods `json:"pods,omitempty"`
	// Nodes chooses the addresses of nodes, those of their tunnels included, by the nodes' labels. The empty selector chooses every node.
	Nodes *metav1.LabelSelector `json:"nodes,omitempty"`
	// Networks lists CIDRs. They match addresses of pods, too.
	Networks []string `json:"networks,omitzero" maxItems:"25" maxLen:"43"`
	// DomainNames lists domain names, which may start with "*." for all names below a domain. For Accept or Allow rules only.
	DomainNames []string `json:"domainNames,omitzero" maxItems:"25" maxLen:"253" later:"names are not looked up, the rule matches nothing"`
}

// BaselineEgressPeer chooses destinations; exactly one field is set. Pods in the host's network are never chosen as pods.
type BaselineEgressPeer struct {
	// Namespaces chooses all pods of namespaces, by the namespaces' labels. The empty selector chooses every namespace.
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	// Pods chooses some pods of namespaces.
	Pods *NamespacedPods `json:"pods,omitempty"`
	// Nodes chooses the addresses of nodes, those of their tunnels included, by the nodes' labels. The empty selector chooses every node.
	Nodes *metav1.LabelSelector `json:"nodes,omitempty"`
	// Networks lists CIDRs. They match addresses of pods, too.
	Networks []string `json:"networks,omitzero" maxItems:"25" maxLen:"43"`
}

// Stated returns how many of the fields are set. What is not 1 is a mistake, or a field that a newer version of the kind has.
func (p *EgressPeer) Stated() int {
	n := 0
	for _, set := range []bool{p.Namespaces != nil, p.Pods != nil, p.Nodes != nil, len(p.Networks) > 0, len(p.DomainNames) > 0} {
		if set {
			n++
		}
	}
	return n
}
