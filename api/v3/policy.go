// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// PolicyType is a direction that a policy governs.
type PolicyType string

// The directions, as seen from the endpoint.
const (
	Ingress PolicyType = "Ingress"
	Egress  PolicyType = "Egress"
)

// AssumeNeededOnEveryNode is the performance hint to keep a policy and its IP sets ready on every node, so that the first endpoint it
// selects there need not wait for them.
const AssumeNeededOnEveryNode = "AssumeNeededOnEveryNode"

// NetworkPolicy applies to the endpoints of one namespace.
type NetworkPolicy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy.
	Spec NetworkPolicySpec `json:"spec,omitzero"`
}

// NetworkPolicySpec is the policy.
type NetworkPolicySpec struct {
	// Tier the policy belongs to. It must exist for the policy to be enforced.
	Tier string `json:"tier,omitempty" default:"default" maxLen:"253"`
	// Order within the tier, smaller first, ties by name. A policy without order comes last.
	Order *float64 `json:"order,omitempty"`
	// Selector chooses endpoints of the namespace by their labels.
	Selector string `json:"selector,omitempty" default:"all()" format:"selector" maxLen:"1024"`
	// ServiceAccountSelector narrows the choice by the labels of the endpoints' service accounts.
	ServiceAccountSelector string `json:"serviceAccountSelector,omitempty" format:"selector" maxLen:"1024"`
	// Types lists the directions that the policy governs. In these, what no rule allows is denied.
	Types []PolicyType `json:"types,omitzero" defaultText:"Egress if there are only egress rules, both if there are rules of both, else Ingress" enum:"Ingress Egress" maxItems:"2"`
	// Ingress rules judge packets towards the endpoint, top down.
	Ingress []Rule `json:"ingress,omitzero" maxItems:"1024"`
	// Egress rules judge packets from the endpoint, top down.
	Egress []Rule `json:"egress,omitzero" maxItems:"1024"`
	// PerformanceHints are promises about use that let weft prepare.
	PerformanceHints []string `json:"performanceHints,omitzero" enum:"AssumeNeededOnEveryNode"`
}

// GlobalNetworkPolicy applies to endpoints of all namespaces and to host endpoints.
type GlobalNetworkPolicy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy.
	Spec GlobalNetworkPolicySpec `json:"spec,omitzero"`
}

// GlobalNetworkPolicySpec is the policy.
type GlobalNetworkPolicySpec struct {
	// Tier the policy belongs to. It must exist for the policy to be enforced.
	Tier string `json:"tier,omitempty" default:"default" maxLen:"253"`
	// Order within the tier, smaller first, ties by name. A policy without order comes last.
	Order *float64 `json:"order,omitempty"`
	// Selector chooses endpoints by their labels.
	Selector string `json:"selector,omitempty" default:"all()" format:"selector" maxLen:"1024"`
	// NamespaceSelector narrows the choice by the labels of the endpoints' namespaces. With it, host endpoints are not chosen.
	NamespaceSelector string `json:"namespaceSelector,omitempty" format:"selector" maxLen:"1024"`
	// ServiceAccountSelector narrows the choice by the labels of the endpoints' service accounts.
	ServiceAccountSelector string `json:"serviceAccountSelector,omitempty" format:"selector" maxLen:"1024"`
	// Types lists the directions that the policy governs. In these, what no rule allows is denied.
	Types []PolicyType `json:"types,omitzero" defaultText:"Egress if there are only egress rules, both if there are rules of both, else Ingress" enum:"Ingress Egress" maxItems:"2"`
	// Ingress rules judge packets towards the endpoint, top down.
	Ingress []Rule `json:"ingress,omitzero" maxItems:"1024"`
	// Egress rules judge packets from the endpoint, top down.
	Egress []Rule `json:"egress,omitzero" maxItems:"1024"`
	// PerformanceHints are promises about use that let weft prepare.
	PerformanceHints []string `json:"performanceHints,omitzero" enum:"AssumeNeededOnEveryNode"`
	// DoNotTrack applies the policy before connection tracking. Needs applyOnForward; not with preDNAT.
	DoNotTrack *bool `json:"doNotTrack,omitempty" default:"false"`
	// PreDNAT applies the policy before destination translation. Needs applyOnForward; ingress only.
	PreDNAT *bool `json:"preDNAT,omitempty" default:"false"`
	// ApplyOnForward applies the policy to packets that a host endpoint forwards, too.
	ApplyOnForward *bool `json:"applyOnForward,omitempty" default:"false"`
}

// Tier orders groups of policies.
type Tier struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the tier's place and end.
	Spec TierSpec `json:"spec,omitzero"`
	// Status is what weft reports.
	Status *TierStatus `json:"status,omitempty"`
}

// TierSpec is the tier's place and end.
type TierSpec struct {
	// Order among tiers, smaller first, ties by name. A tier without order comes last.
	Order *float64 `json:"order,omitempty"`
	// DefaultAction is what happens when policies of the tier apply and none matched.
	DefaultAction Action `json:"defaultAction,omitempty" defaultText:"Deny; Pass for kube-admin and kube-baseline" enum:"Pass Deny"`
}

// Profile gives endpoints labels and last-resort rules.
type Profile struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the profile.
	Spec ProfileSpec `json:"spec,omitzero"`
}

// ProfileSpec is the profile.
type ProfileSpec struct {
	// Ingress rules judge packets towards the endpoint that no policy decided.
	Ingress []Rule `json:"ingress,omitzero" maxItems:"1024"`
	// Egress rules judge packets from the endpoint that no policy decided.
	Egress []Rule `json:"egress,omitzero" maxItems:"1024"`
	// LabelsToApply are labels that endpoints with the profile inherit.
	LabelsToApply map[string]string `json:"labelsToApply,omitzero"`
}

// NetworkSet names CIDRs within a namespace; its labels make it selectable.
type NetworkSet struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec lists the CIDRs.
	Spec NetworkSetSpec `json:"spec,omitzero"`
}

// GlobalNetworkSet names CIDRs for the whole cluster; its labels make it selectable.
type GlobalNetworkSet struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec lists the CIDRs.
	Spec NetworkSetSpec `json:"spec,omitzero"`
}

// NetworkSetSpec lists the CIDRs.
type NetworkSetSpec struct {
	// Nets lists CIDRs or addresses.
	Nets []string `json:"nets,omitzero" format:"net"`
}
