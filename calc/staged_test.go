// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// TestStaged follows what one workload has now and what it would have with the staged policies in force.
func TestStaged(t *testing.T) {
	id := desired.EndpointID{Namespace: "prod", Name: ct.Endpoint("prod/db", ct.Me, nil).Name}
	policy := func(name, selector string, order float64) *v3.NetworkPolicy {
		return ct.Policy("prod/"+name, func(s *v3.NetworkPolicySpec) {
			s.Selector, s.Order, s.Ingress = selector, &order, []v3.Rule{ct.From(v3.Allow, "app == '"+name+"'")}
		})
	}
	remove := ct.Policy("prod/a", func(*v3.NetworkPolicySpec) {})
	cases := map[string]struct {
		staged []api.Object
		want   string // "none" for no preview
	}{
		"nothing":        {nil, "none"},
		"add":            {[]api.Object{ct.Staged(v3.StagedSet, policy("c", "app == 'db'", 15))}, "NetworkPolicy prod/a, StagedNetworkPolicy prod/c, NetworkPolicy prod/b"},
		"replace":        {[]api.Object{ct.Staged(v3.StagedSet, policy("a", "all()", 30))}, "NetworkPolicy prod/b, StagedNetworkPolicy prod/a"},
		"select others":  {[]api.Object{ct.Staged(v3.StagedSet, policy("a", "app == 'web'", 10))}, "NetworkPolicy prod/b"},
		"delete":         {[]api.Object{ct.Staged(v3.StagedDelete, remove)}, "NetworkPolicy prod/b"},
		"learn, ignore":  {[]api.Object{ct.Staged(v3.StagedLearn, policy("a", "all()", 30)), ct.Staged(v3.StagedIgnore, policy("b", "all()", 30))}, "none"},
		"another's":      {[]api.Object{ct.Staged(v3.StagedSet, policy("c", "app == 'web'", 15))}, "none"},
		"a missing tier": {[]api.Object{ct.Staged(v3.StagedSet, ct.Policy("prod/a", func(s *v3.NetworkPolicySpec) { s.Tier = "nowhere" }))}, "NetworkPolicy prod/b"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			enforced := []api.Object{policy("a", "app == 'db'", 10), policy("b", "app == 'db'", 20)}
			for _, order := range [][]api.Object{append(enforced, c.staged...), append(c.staged, enforced...)} {
				g := apply(append(base(), order...)...)
				e, _ := g.View().Endpoint(id)
				if got := tiers(e.Tiers[rule.Ingress]); got != "NetworkPolicy prod/a, NetworkPolicy prod/b" {
					t.Errorf("enforced %s", got)
				}
				got := "none"
				if e.Staged != nil {
					got = tiers(e.Staged[rule.Ingress])
				}
				if got != c.want {
					t.Errorf("staged %s, want %s", got, c.want)
				}
				for p := range e.Uses() {
					if _, ok := g.View().Policy(p); !ok {
						t.Errorf("policy %v is not in the view", p)
					}
				}
				g.Apply(deletions(c.staged...))
				g.Flush()
				if e, _ := g.View().Endpoint(id); e.Staged != nil {
					t.Errorf("with the staged policies gone there is still %v", e.Staged)
				}
			}
		})
	}
}

func tiers(list []desired.TierPolicies) string {
	text := ""
	for _, t := range list {
		for _, id := range t.Policies {
			if text != "" {
				text += ", "
			}
			text += id.String()
		}
	}
	return text
}
