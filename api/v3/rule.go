// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import "k8s.io/apimachinery/pkg/util/intstr"

// Action is what a rule does with a packet it matches.
type Action string

// The rule actions.
const (
	Allow Action = "Allow"
	Deny  Action = "Deny"
	Log   Action = "Log"
	Pass  Action = "Pass"
)

// Rule matches packets and says what becomes of them. A packet must fit all stated fields.
type Rule struct {
	// Action is Allow, Deny, Log (which goes on with the next rule) or Pass (which goes on with the next tier).
	Action Action `json:"action" enum:"Allow Deny Log Pass"`
	// IPVersion is 4 or 6; absent means both.
	IPVersion *int `json:"ipVersion,omitempty" min:"4" max:"6"`
	// Protocol is TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number 1-255.
	Protocol *intstr.IntOrString `json:"protocol,omitempty" format:"protocol"`
	// NotProtocol is a protocol that the packet must not have.
	NotProtocol *intstr.IntOrString `json:"notProtocol,omitempty" format:"protocol"`
	// ICMP is the type and code of the packet. Needs protocol ICMP or ICMPv6.
	ICMP *ICMPFields `json:"icmp,omitempty"`
	// NotICMP is the type and code that the packet must not have.
	NotICMP *ICMPFields `json:"notICMP,omitempty"`
	// Source is where the packet comes from.
	Source *EntityRule `json:"source,omitempty"`
	// Destination is where the packet goes.
	Destination *EntityRule `json:"destination,omitempty"`
	// HTTP matches requests; for ingress Allow rules.
	HTTP *HTTPMatch `json:"http,omitempty" later:"application layer policy is not built yet, the rule is left out"`
	// Metadata goes along to counters and flow records.
	Metadata *RuleMetadata `json:"metadata,omitempty"`
}

// ICMPFields match an ICMP type and code.
type ICMPFields struct {
	// Type is the ICMP type.
	Type *int `json:"type,omitempty" min:"0" max:"254"`
	// Code is the ICMP code. Needs type.
	Code *int `json:"code,omitempty" min:"0" max:"255"`
}

// EntityRule matches one end of a flow.
type EntityRule struct {
	// Nets lists CIDRs or addresses, all of one family; one must hold the address.
	Nets []string `json:"nets,omitzero" format:"net" maxItems:"256"`
	// NotNets lists CIDRs or addresses, all of one family; none may hold the address.
	NotNets []string `json:"notNets,omitzero" format:"net" maxItems:"256"`
	// Selector chooses endpoints and network sets by their labels.
	Selector string `json:"selector,omitempty" format:"selector" maxLen:"1024"`
	// NotSelector chooses endpoints and network sets that do not match.
	NotSelector string `json:"notSelector,omitempty" format:"selector" maxLen:"1024"`
	// NamespaceSelector says in which namespaces selector looks, by their labels; "global()" alone means host endpoints and global network
	// sets. Absent means the policy's own namespace, or everything for a global policy.
	NamespaceSelector string `json:"namespaceSelector,omitempty" format:"namespaceSelector" maxLen:"1024"`
	// Ports lists numbers, ranges as in "1000:2000", and names of endpoint ports. Needs protocol TCP, UDP or SCTP.
	Ports []intstr.IntOrString `json:"ports,omitzero" format:"port" maxItems:"50"`
	// NotPorts lists ports that do not match.
	NotPorts []intstr.IntOrString `json:"notPorts,omitzero" format:"port" maxItems:"50"`
	// ServiceAccounts chooses endpoints by their service account.
	ServiceAccounts *ServiceAccountMatch `json:"serviceAccounts,omitempty"`
	// Services chooses the endpoints of a Kubernetes service, ready or not, as its EndpointSlices list them: in the source of ingress rules
	// their addresses, in the destination of egress rules their addresses and ports. A service that does not exist has none.
	Services *ServiceMatch `json:"services,omitempty"`
}

// ServiceAccountMatch matches by service account; both fields given means both must match.
type ServiceAccountMatch struct {
	// Names lists service accounts; one must match.
	Names []string `json:"names,omitzero" maxLen:"253"`
	// Selector chooses service accounts by their labels.
	Selector string `json:"selector,omitempty" format:"selector" maxLen:"1024"`
}

// ServiceMatch matches the endpoints of a Kubernetes service.
type ServiceMatch struct {
	// Name of the service.
	Name string `json:"name,omitempty" maxLen:"253"`
	// Namespace of the service. Required in global policies.
	Namespace string `json:"namespace,omitempty" defaultText:"the policy's namespace" maxLen:"253"`
}

// HTTPMatch matches HTTP requests (application layer policy).
type HTTPMatch struct {
	// Methods lists request methods; one must match.
	Methods []string `json:"methods,omitzero" maxItems:"20"`
	// Paths lists request paths; one must match.
	Paths []HTTPPath `json:"paths,omitzero" maxItems:"20"`
}

// HTTPPath matches a path; exactly one field is set.
type HTTPPath struct {
	// Exact is the whole path.
	Exact string `json:"exact,omitempty" maxLen:"1024"`
	// Prefix is how the path starts.
	Prefix string `json:"prefix,omitempty" maxLen:"1024"`
}

// RuleMetadata goes along to counters and flow records.
type RuleMetadata struct {
	// Annotations are free.
	Annotations map[string]string `json:"annotations,omitzero"`
}
