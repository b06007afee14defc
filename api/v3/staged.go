// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StagedAction is what putting a staged policy in force would do.
type StagedAction string

// The staged actions.
const (
	StagedSet    StagedAction = "Set"    // adds the policy, or replaces the one of its kind and name
	StagedDelete StagedAction = "Delete" // removes the policy of its kind and name
	StagedLearn  StagedAction = "Learn"  // nothing yet: the policy is being written
	StagedIgnore StagedAction = "Ignore" // nothing: the policy was a proposal that was turned down
)

// StagedNetworkPolicy previews a NetworkPolicy of the same name: it is evaluated beside what is enforced and never enforced itself.
type StagedNetworkPolicy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy and what would become of it.
	Spec StagedNetworkPolicySpec `json:"spec,omitzero"`
}

// StagedNetworkPolicySpec is the policy and what would become of it.
type StagedNetworkPolicySpec struct {
	// StagedAction: Set would add or replace the policy, Delete would remove it; with Delete only tier may stand beside it.
	StagedAction      StagedAction `json:"stagedAction,omitempty" default:"Set" enum:"Set Delete Learn Ignore"`
	NetworkPolicySpec `json:",inline"`
}

// StagedGlobalNetworkPolicy previews a GlobalNetworkPolicy of the same name: it is evaluated beside what is enforced and never enforced itself.
type StagedGlobalNetworkPolicy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy and what would become of it.
	Spec StagedGlobalNetworkPolicySpec `json:"spec,omitzero"`
}

// StagedGlobalNetworkPolicySpec is the policy and what would become of it.
type StagedGlobalNetworkPolicySpec struct {
	// StagedAction: Set would add or replace the policy, Delete would remove it; with Delete only tier may stand beside it.
	StagedAction            StagedAction `json:"stagedAction,omitempty" default:"Set" enum:"Set Delete Learn Ignore"`
	GlobalNetworkPolicySpec `json:",inline"`
}

// StagedKubernetesNetworkPolicy previews a Kubernetes NetworkPolicy of the same name: it is evaluated beside what is enforced and never
// enforced itself.
type StagedKubernetesNetworkPolicy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the policy and what would become of it.
	Spec StagedKubernetesNetworkPolicySpec `json:"spec,omitzero"`
}

// StagedKubernetesNetworkPolicySpec is the policy, in the fields of the Kubernetes kind, and what would become of it.
type StagedKubernetesNetworkPolicySpec struct {
	// StagedAction: Set would add or replace the policy, Delete would remove it; with Delete nothing may stand beside it.
	StagedAction StagedAction `json:"stagedAction,omitempty" default:"Set" enum:"Set Delete Learn Ignore"`
	// PodSelector chooses pods of the namespace; empty means all.
	PodSelector metav1.LabelSelector `json:"podSelector,omitzero"`
	// PolicyTypes lists the directions that the policy governs.
	PolicyTypes []networkingv1.PolicyType `json:"policyTypes,omitzero" defaultText:"Ingress, and Egress if there are egress rules" maxItems:"2"`
	// Ingress rules allow packets towards the pods.
	Ingress []networkingv1.NetworkPolicyIngressRule `json:"ingress,omitzero"`
	// Egress rules allow packets from the pods.
	Egress []networkingv1.NetworkPolicyEgressRule `json:"egress,omitzero"`
}

// Policy returns the policy that would be put in force.
func (p *StagedKubernetesNetworkPolicy) Policy() *networkingv1.NetworkPolicy {
	s := &p.Spec
	return &networkingv1.NetworkPolicy{
		ObjectMeta: p.ObjectMeta,
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: s.PodSelector, PolicyTypes: s.PolicyTypes, Ingress: s.Ingress, Egress: s.Egress},
	}
}

// defaultKubeTypes follows Kubernetes: with none stated, Ingress, and Egress if there are egress rules.
func defaultKubeTypes(s *StagedKubernetesNetworkPolicySpec) {
	if len(s.PolicyTypes) > 0 || s.StagedAction == StagedDelete {
		return
	}
	s.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if len(s.Egress) > 0 {
		s.PolicyTypes = append(s.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
}

const besideDelete = "must be absent: with stagedAction Delete the policy is named and not described"

func validateStagedNetworkPolicy(s *StagedNetworkPolicySpec, r report) {
	validateNetworkPolicy(&s.NetworkPolicySpec, r)
	if s.StagedAction == StagedDelete {
		deleted(r, s.Order, s.Selector, s.Ingress, s.Egress, s.ServiceAccountSelector, "")
	}
}

func validateStagedGlobalNetworkPolicy(s *StagedGlobalNetworkPolicySpec, r report) {
	validateGlobalNetworkPolicy(&s.GlobalNetworkPolicySpec, r)
	if s.StagedAction != StagedDelete {
		return
	}
	deleted(r, s.Order, s.Selector, s.Ingress, s.Egress, s.ServiceAccountSelector, s.NamespaceSelector)
	if isTrue(s.DoNotTrack) || isTrue(s.PreDNAT) || isTrue(s.ApplyOnForward) {
		r.add("doNotTrack, preDNAT and applyOnForward " + besideDelete)
	}
}

// deleted reports what describes a policy; defaults may be filled in.
func deleted(r report, order *float64, selector string, ingress, egress []Rule, serviceAccounts, namespaces string) {
	for _, f := range []struct {
		name  string
		wrong bool
	}{
		{"order", order != nil}, {"selector", selector != "" && selector != "all()"}, {"ingress", len(ingress) > 0}, {"egress", len(egress) > 0},
		{"serviceAccountSelector", serviceAccounts != ""}, {"namespaceSelector", namespaces != ""},
	} {
		if f.wrong {
			r.at(f.name).add(besideDelete)
		}
	}
}

func validateStagedKubernetesNetworkPolicy(s *StagedKubernetesNetworkPolicySpec, r report) {
	if s.StagedAction != StagedDelete {
		return
	}
	for _, f := range []struct {
		name  string
		wrong bool
	}{
		{"podSelector", len(s.PodSelector.MatchLabels)+len(s.PodSelector.MatchExpressions) > 0}, {"policyTypes", len(s.PolicyTypes) > 0},
		{"ingress", len(s.Ingress) > 0}, {"egress", len(s.Egress) > 0},
	} {
		if f.wrong {
			r.at(f.name).add(besideDelete)
		}
	}
}
