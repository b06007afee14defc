// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The tiers that always exist. Their values are fixed and they cannot be deleted.
const (
	TierKubeAdmin    = "kube-admin"
	TierDefault      = "default"
	TierKubeBaseline = "kube-baseline"
)

// fixedTiers holds the order and default action of the tiers that always exist.
var fixedTiers = map[string]struct {
	order  float64
	action Action
}{
	TierKubeAdmin:    {1_000, Pass},
	TierDefault:      {1_000_000, Deny},
	TierKubeBaseline: {10_000_000, Pass},
}

// FixedTiers returns the tiers that exist without anyone creating them, in order.
func FixedTiers() []*Tier {
	var out []*Tier
	for _, name := range []string{TierKubeAdmin, TierDefault, TierKubeBaseline} {
		t := &Tier{TypeMeta: TypeMeta{APIVersion: APIVersion, Kind: "Tier"}, ObjectMeta: ObjectMeta{Name: name}}
		defaultTier(t)
		out = append(out, t)
	}
	return out
}

// defaultTier fills a tier: a fixed one with its own values, others with Deny and no order.
func defaultTier(t *Tier) {
	fixed, ok := fixedTiers[t.Name]
	if !ok {
		fixed.action = Deny
	}
	if t.Spec.Order == nil && ok {
		t.Spec.Order = &fixed.order
	}
	if t.Spec.DefaultAction == "" {
		t.Spec.DefaultAction = fixed.action
	}
}

// validateTier refuses other values for the fixed tiers.
func validateTier(t *Tier, r report) {
	fixed, ok := fixedTiers[t.Name]
	if !ok {
		return
	}
	if t.Spec.Order != nil && *t.Spec.Order != fixed.order {
		r.at("order").add("tier %s has the fixed order %.0f; remove the field", t.Name, fixed.order)
	}
	if t.Spec.DefaultAction != "" && t.Spec.DefaultAction != fixed.action {
		r.at("defaultAction").add("tier %s has the fixed default action %s; remove the field", t.Name, fixed.action)
	}
}

// TierStatus is reported by weft.
type TierStatus struct {
	// Conditions hold the type Ready.
	Conditions []metav1.Condition `json:"conditions,omitzero"`
}
