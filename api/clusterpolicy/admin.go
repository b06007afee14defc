// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AdminNetworkPolicy is the older form of a ClusterNetworkPolicy of tier Admin: it stands before the policies of the namespaces.
type AdminNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy.
	Spec AdminNetworkPolicySpec `json:"spec"`
	// Status is reported by the implementation.
	Status PolicyStatus `json:"status,omitzero"`
}

// AdminNetworkPolicySpec is the policy.
type AdminNetworkPolicySpec struct {
	// Priority, smaller first. Of policies with the same priority the one with the first name goes first.
	Priority int32 `json:"priority" min:"0" max:"1000"`
	// Subject chooses the pods that the policy is for. Pods in the host's network are never chosen.
	Subject PolicySubject `json:"subject"`
	// Ingress rules judge packets towards the pods, top down. What no rule matches goes on to the next policy. Without rules the policy does
	// not concern these packets.
	Ingress []AdminIngressRule `json:"ingress,omitzero" maxItems:"100"`
	// Egress rules judge packets from the pods, top down. What no rule matches goes on to the next policy. Without rules the policy does not
	// concern these packets.
	Egress []AdminEgressRule `json:"egress,omitzero" maxItems:"100"`
}

// AdminIngressRule matches packets towards the pods and says what becomes of them.
type AdminIngressRule struct {
	// Name of the rule, for people.
	Name string `json:"name,omitempty" maxLen:"100"`
	// Action is Allow or Deny, which are final, or Pass, which goes on with the policies of the namespaces.
	Action string `json:"action" enum:"Allow Deny Pass"`
	// From lists sources, each with exactly one field; one must match.
	From []IngressPeer `json:"from" maxItems:"100"`
	// Ports lists protocols and ports of the destination, each with exactly one field; one must match. Absent means all.
	Ports []AdminPort `json:"ports,omitzero" maxItems:"100"`
}

// AdminEgressRule matches packets from the pods and says what becomes of them.
type AdminEgressRule struct {
	// Name of the rule, for people.
	Name string `json:"name,omitempty" maxLen:"100"`
	// Action is Allow or Deny, which are final, or Pass, which goes on with the policies of the namespaces.
	Action string `json:"action" enum:"Allow Deny Pass"`
	// To lists destinations, each with exactly one field; one must match.
	To []EgressPeer `json:"to" maxItems:"100"`
	// Ports lists protocols and ports of the destination, each with exactly one field; one must match. Absent means all.
	Ports []AdminPort `json:"ports,omitzero" maxItems:"100"`
}

// BaselineAdminNetworkPolicy is the older form of a ClusterNetworkPolicy of tier Baseline: it stands behind the policies of the namespaces.
// There is only one, named default.
type BaselineAdminNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy.
	Spec BaselineAdminNetworkPolicySpec `json:"spec"`
	// Status is reported by the implementation.
	Status PolicyStatus `json:"status,omitzero"`
}

// BaselineAdminNetworkPolicySpec is the policy.
type BaselineAdminNetworkPolicySpec struct {
	// Subject chooses the pods that the policy is for. Pods in the host's network are never chosen.
	Subject PolicySubject `json:"subject"`
	// Ingress rules judge packets towards the pods, top down, where no policy of the namespace isolates these. What no rule matches is allowed.
	// Without rules the policy does not concern these packets.
	Ingress []BaselineIngressRule `json:"ingress,omitzero" maxItems:"100"`
	// Egress rules judge packets from the pods, top down, where no policy of the namespace isolates these. What no rule matches is allowed.
	// Without rules the policy does not concern these packets.
	Egress []BaselineEgressRule `json:"egress,omitzero" maxItems:"100"`
}

// BaselineIngressRule matches packets towards the pods and says what becomes of them.
type BaselineIngressRule struct {
	// Name of the rule, for people.
	Name string `json:"name,omitempty" maxLen:"100"`
	// Action is Allow or Deny.
	Action string `json:"action" enum:"Allow Deny"`
	// From lists sources, each with exactly one field; one must match.
	From []IngressPeer `json:"from" maxItems:"100"`
	// Ports lists protocols and ports of the destination, each with exactly one field; one must match. Absent means all.
	Ports []AdminPort `json:"ports,omitzero" maxItems:"100"`
}

// BaselineEgressRule matches packets from the pods and says what becomes of them.
type BaselineEgressRule struct {
	// Name of the rule, for people.
	Name string `json:"name,omitempty" maxLen:"100"`
	// Action is Allow or Deny.
	Action string `json:"action" enum:"Allow Deny"`
	// To lists destinations, each with exactly one field; one must match.
	To []BaselineEgressPeer `json:"to" maxItems:"100"`
	// Ports lists protocols and ports of the destination, each with exactly one field; one must match. Absent means all.
	Ports []AdminPort `json:"ports,omitzero" maxItems:"100"`
}

// AdminPort matches ports of the destination; exactly one field is set.
type AdminPort struct {
	// PortNumber is one port.
	PortNumber *AdminPortNumber `json:"portNumber,omitempty"`
	// NamedPort matches the ports of that name which the destination pods declare, of any protocol.
	NamedPort *string `json:"namedPort,omitempty" format:"portName"`
	// PortRange is a range of ports.
	PortRange *AdminPortRange `json:"portRange,omitempty"`
}

// AdminPortNumber is a port of a protocol.
type AdminPortNumber struct {
	// Protocol is TCP, UDP or SCTP.
	Protocol corev1.Protocol `json:"protocol,omitempty" default:"TCP" enum:"TCP UDP SCTP"`
	// Port is the port.
	Port int32 `json:"port" min:"1" max:"65535"`
}

// AdminPortRange is a range of ports of a protocol, both ends included.
type AdminPortRange struct {
	// Protocol is TCP, UDP or SCTP.
	Protocol corev1.Protocol `json:"protocol,omitempty" default:"TCP" enum:"TCP UDP SCTP"`
	// Start is the first port.
	Start int32 `json:"start" min:"1" max:"65535"`
	// End is the last port. It is above start.
	End int32 `json:"end" min:"1" max:"65535"`
}
