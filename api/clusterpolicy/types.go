// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package clusterpolicy holds the kinds of policy.networking.k8s.io as Go types: ClusterNetworkPolicy, and the older AdminNetworkPolicy and
// BaselineAdminNetworkPolicy that it replaces.
//
// They are types of our own, not those of sigs.k8s.io/network-policy-api, because their struct tags and comments are what decoding, validation,
// "weft explain" and the reference pages are made of. Field by field they are those of its v0.2.0.
package clusterpolicy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The group of the kinds, and their versions.
const (
	Group           = "policy.networking.k8s.io"
	APIVersion      = Group + "/v1alpha2" // ClusterNetworkPolicy
	AdminAPIVersion = Group + "/v1alpha1" // AdminNetworkPolicy, BaselineAdminNetworkPolicy
)

// The tiers of a ClusterNetworkPolicy.
const (
	TierAdmin    = "Admin"
	TierBaseline = "Baseline"
)

// The actions of rules. Accept is what ClusterNetworkPolicy calls Allow.
const (
	Accept = "Accept"
	Allow  = "Allow"
	Deny   = "Deny"
	Pass   = "Pass"
)

// ClusterNetworkPolicy is a policy of the cluster's administrators, for pods of all namespaces. It stands before or behind the policies of the
// namespaces.
type ClusterNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy.
	Spec ClusterNetworkPolicySpec `json:"spec"`
	// Status is reported by the implementation.
	Status PolicyStatus `json:"status,omitzero"`
}

// ClusterNetworkPolicySpec is the policy.
type ClusterNetworkPolicySpec struct {
	// Tier is Admin, before the policies of the namespaces, or Baseline, behind them: for pods that none of those isolates.
	Tier string `json:"tier" enum:"Admin Baseline"`
	// Priority within the tier, smaller first. Of policies with the same priority the one with the first name goes first.
	Priority int32 `json:"priority" min:"0" max:"1000"`
	// Subject chooses the pods that the policy is for. Pods in the host's network are never chosen.
	Subject PolicySubject `json:"subject"`
	// Ingress rules judge packets towards the pods, top down. What no rule matches goes on to the next policy. Without rules the policy does
	// not concern these packets.
	Ingress []ClusterIngressRule `json:"ingress,omitzero" maxItems:"25"`
	// Egress rules judge packets from the pods, top down. What no rule matches goes on to the next policy. Without rules the policy does not
	// concern these packets.
	Egress []ClusterEgressRule `json:"egress,omitzero" maxItems:"25"`
}

// ClusterIngressRule matches packets towards the pods and says what becomes of them.
type ClusterIngressRule struct {
	// Name of the rule, for people.
	Name string `json:"name,omitempty" maxLen:"100"`
	// Action is Accept or Deny, which are final, or Pass, which goes on with the policies of the namespaces or, from there, of the next tier.
	Action string `json:"action" enum:"Accept Deny Pass"`
	// From lists sources, each with exactly one field; one must match.
	From []IngressPeer `json:"from" maxItems:"25"`
	// Protocols lists protocols and ports of the destination, each with exactly one field; one must match. Absent means all.
	Protocols []ProtocolMatch `json:"protocols,omitzero" maxItems:"25"`
}

// ClusterEgressRule matches packets from the pods and says what becomes of them.
type ClusterEgressRule struct {
	// Name of the rule, for people.
	Name string `json:"name,omitempty" maxLen:"100"`
	// Action is Accept or Deny, which are final, or Pass, which goes on with the policies of the namespaces or, from there, of the next tier.
	Action string `json:"action" enum:"Accept Deny Pass"`
	// To lists destinations, each with exactly one field; one must match.
	To []EgressPeer `json:"to" maxItems:"25"`
	// Protocols lists protocols and ports of the destination, each with exactly one field; one must match. Absent means all.
	Protocols []ProtocolMatch `json:"protocols,omitzero" maxItems:"25"`
}

// ProtocolMatch matches a protocol and a port of the destination; exactly one field is set.
type ProtocolMatch struct {
	// TCP matches TCP.
	TCP *TransportMatch `json:"tcp,omitempty"`
	// UDP matches UDP.
	UDP *TransportMatch `json:"udp,omitempty"`
	// SCTP matches SCTP.
	SCTP *TransportMatch `json:"sctp,omitempty"`
	// DestinationNamedPort matches the ports of that name which the destination pods declare, of any protocol.
	DestinationNamedPort string `json:"destinationNamedPort,omitempty" format:"portName"`
}

// TransportMatch matches ports of one protocol.
type TransportMatch struct {
	// DestinationPort is the port or ports of the destination.
	DestinationPort *PortMatch `json:"destinationPort,omitempty"`
}

// PortMatch matches ports; exactly one field is set.
type PortMatch struct {
	// Number is the port.
	Number *int32 `json:"number,omitempty" min:"1" max:"65535"`
	// Range is a range of ports.
	Range *PortMatchRange `json:"range,omitempty"`
}

// PortMatchRange is a range of ports, both ends included.
type PortMatchRange struct {
	// Start is the first port.
	Start int32 `json:"start" min:"1" max:"65535"`
	// End is the last port. It is above start.
	End int32 `json:"end" min:"1" max:"65535"`
}

// PolicyStatus is reported by the implementation.
type PolicyStatus struct {
	// Conditions say how far the policy is in force.
	Conditions []metav1.Condition `json:"conditions,omitzero"`
}
