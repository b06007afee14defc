// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
)

// target is what policies select on this node: a workload endpoint or a host endpoint.
type target struct {
	labels   []labelindex.Label
	profiles []string
	policies map[*policy]struct{} // that select it
	touch    func()               // has its endpoint worked out again
}

func newTarget(touch func()) target {
	return target{policies: map[*policy]struct{}{}, touch: touch}
}

// ordered returns the policies that select a target in order of evaluation.
func (s *policies) ordered(t *target) []*policy {
	out := make([]*policy, 0, len(t.policies))
	for p := range t.policies {
		out = append(out, p)
	}
	slices.SortFunc(out, s.compare)
	return out
}

// arrange groups those policies that apply and govern a direction by tier. They come in order of evaluation.
func (s *policies) arrange(ordered []*policy, d rule.Direction, applies func(*policy) bool) []desired.TierPolicies {
	var out []desired.TierPolicies
	for _, p := range ordered {
		if !p.Types[d] || !applies(p) {
			continue
		}
		if last := len(out) - 1; last < 0 || out[last].Tier != p.Tier {
			out = append(out, desired.TierPolicies{Tier: p.Tier, DefaultAction: s.tiers[p.Tier].DefaultAction})
		}
		t := &out[len(out)-1]
		t.Policies = append(t.Policies, p.ID)
	}
	return out
}

// compare orders policies by evaluation, the tier first.
func (s *policies) compare(a, b *policy) int {
	if a.Tier != b.Tier {
		return rule.CompareTiers(s.tiers[a.Tier].Tier, s.tiers[b.Tier].Tier)
	}
	return rule.ComparePolicies(&a.Policy, &b.Policy)
}

// inForce returns the profiles of a target up to the first that does not exist: it may hold a Deny, and what it would decide is dropped,
// which is what no match in profiles does.
func (s *profiles) inForce(t *target) []rule.PolicyID {
	var out []rule.PolicyID
	for _, name := range t.profiles {
		if !s.exists(name) {
			break
		}
		out = append(out, profileID(name))
	}
	return out
}
