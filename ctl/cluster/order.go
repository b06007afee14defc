// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Policy is one policy in its place. Tier is the zero Tier with only its name if there is no such tier: the policy is then not enforced.
type Policy struct {
	*rule.Policy
	Tier     rule.Tier
	Enforced bool
}

// Policies returns all policies in order of evaluation; those without a tier come last.
func (c *Cluster) Policies() []Policy {
	tiers := c.tiers()
	var out []Policy
	for _, key := range c.order {
		if p, ok := compile(c.objects[key]); ok {
			tier, known := tiers[p.Tier]
			if !known {
				tier.Name = p.Tier
			}
			out = append(out, Policy{p, tier, known})
		}
	}
	slices.SortStableFunc(out, func(a, b Policy) int {
		switch {
		case a.Enforced && !b.Enforced:
			return -1
		case b.Enforced && !a.Enforced:
			return 1
		}
		return cmp.Or(rule.CompareTiers(a.Tier, b.Tier), rule.ComparePolicies(a.Policy, b.Policy))
	})
	return out
}

// tiers returns all tiers by name.
func (c *Cluster) tiers() map[string]rule.Tier {
	out := map[string]rule.Tier{}
	add := func(t *v3.Tier) {
		if compiled, err := rule.CompileTier(t); err == nil {
			out[t.Name] = compiled
		}
	}
	for _, t := range v3.FixedTiers() {
		add(t)
	}
	for _, obj := range c.objects {
		if t, ok := obj.(*v3.Tier); ok {
			add(t)
		}
	}
	return out
}

// Effective is what judges one direction of an endpoint: tiers in order, then profiles. Staged is what the tiers would be with all staged
// policies in force, nil if none concerns the endpoint.
type Effective struct {
	Tiers    []desired.TierPolicies
	Staged   []desired.TierPolicies
	Profiles []rule.PolicyID
}

// EffectiveAt returns the policies in front of a workload, by direction. Not ok: the workload is not in force, and the reason says why.
func (c *Cluster) EffectiveAt(end *End) (out [2]Effective, reason string, ok bool) {
	endpoint, ok := c.View(end.Node).Endpoint(end.ID())
	if !ok {
		return out, c.problem(end), false
	}
	for dir := range out {
		out[dir] = Effective{Tiers: endpoint.Tiers[dir], Profiles: endpoint.Profiles}
		if endpoint.Staged != nil {
			out[dir].Staged = endpoint.Staged[dir]
		}
	}
	return out, "", true
}

// PolicyOf returns a policy with its place, as of its object. A derived profile has no object and no selector.
func (c *Cluster) PolicyOf(id rule.PolicyID) (Policy, bool) {
	obj := c.PolicyObject(id)
	if obj == nil {
		return Policy{}, false
	}
	p, ok := compile(obj)
	if !ok {
		return Policy{}, false
	}
	tier, known := c.tiers()[p.Tier]
	return Policy{p, tier, known}, true
}
