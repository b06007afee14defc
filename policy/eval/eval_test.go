// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// never is a match that none of the packets here meets.
var never = rule.Match{Protocol: 255}

func r(id rule.ID, index int, action rule.Action, m rule.Match) rule.Rule {
	return rule.Rule{ID: id, Index: index, Action: action, Match: m, Text: action.String() + " text"}
}

func named(name string) rule.PolicyID {
	return rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "ns", Name: name}
}

func profile(name string) rule.PolicyID { return rule.PolicyID{Kind: rule.KindProfile, Name: name} }

// sequenceWorld has a policy or profile for each thing that can come of one.
func sequenceWorld() world {
	unknownSet := rule.Match{Src: rule.Side{NotSets: []rule.Set{netSet("gone")}}}
	w := world{policies: map[rule.PolicyID]*desired.Policy{}, sets: matrixSets}
	for name, rules := range map[string][]rule.Rule{
		"empty":     nil,
		"allow":     {r("a0", 0, rule.Deny, never), r("a1", 1, rule.Allow, rule.Match{}), r("a2", 2, rule.Deny, rule.Match{})},
		"deny":      {r("d0", 0, rule.Deny, rule.Match{}), r("d1", 1, rule.Allow, rule.Match{})},
		"pass":      {r("p0", 0, rule.Pass, rule.Match{}), r("p1", 1, rule.Deny, rule.Match{})},
		"log":       {r("l0", 0, rule.Log, rule.Match{}), r("l1", 1, rule.Allow, never)},
		"log-allow": {r("la0", 0, rule.Log, rule.Match{}), r("la1", 1, rule.Allow, rule.Match{})},
		"unmatched": {r("u0", 0, rule.Allow, never), r("u1", 1, rule.Deny, never)},
		"no-set":    {r("n0", 0, rule.Allow, unknownSet)},
	} {
		for _, id := range []rule.PolicyID{named(name), profile(name)} {
			w.policies[id] = &desired.Policy{ID: id, Rules: [2][]rule.Rule{rule.Ingress: rules}}
		}
	}
	return w
}

func tier(name string, end rule.Action, policies ...string) desired.TierPolicies {
	t := desired.TierPolicies{Tier: name, DefaultAction: end}
	for _, p := range policies {
		t.Policies = append(t.Policies, named(p))
	}
	return t
}

func TestSequence(t *testing.T) {
	for _, c := range []struct {
		name     string
		tiers    []desired.TierPolicies
		profiles []string
		want     string
	}{
		{"nothing at all", nil, nil, "profiles: the endpoint has none; Deny\nDeny"},
		{"open by profile", nil, []string{"allow"}, "profiles: Profile allow: rule 1 (a1): Allow text\nAllow"},
		{"closed by profile", nil, []string{"deny", "allow"}, "profiles: Profile deny: rule 0 (d0): Deny text\nDeny"},
		{"second profile", nil, []string{"empty", "log", "pass", "allow"}, "profiles: Profile empty: no rule decides\n" +
			"profiles: Profile log: rule 0 (l0): Log text\n" +
			"profiles: Profile log: no rule decides\n" +
			"profiles: Profile pass: rule 0 (p0): Pass text\n" +
			"profiles: Profile allow: rule 1 (a1): Allow text\n" +
			"Allow"},
		{"no profile decides", nil, []string{"unmatched", "pass"}, "profiles: Profile unmatched: no rule decides\n" +
			"profiles: Profile pass: rule 0 (p0): Pass text\n" +
			"profiles: nothing decides in Profile unmatched, Profile pass; Deny\n" +
			"Deny"},
		{"a policy allows, profiles are not asked", tiers(tier("default", rule.Deny, "unmatched", "allow", "deny")), []string{"deny"},
			"tier default: NetworkPolicy ns/unmatched: no rule decides\n" +
				"tier default: NetworkPolicy ns/allow: rule 1 (a1): Allow text\n" +
				"Allow"},
		{"isolation by an empty policy", tiers(tier("default", rule.Deny, "empty", "unmatched")), []string{"allow"},
			"tier default: NetworkPolicy ns/empty: no rule decides\n" +
				"tier default: NetworkPolicy ns/unmatched: no rule decides\n" +
				"tier default: nothing decides; the tier's default is Deny, because it applies NetworkPolicy ns/empty, NetworkPolicy ns/unmatched\n" +
				"Deny"},
		{"the tier's default passes", tiers(tier("kube-admin", rule.Pass, "empty"), tier("default", rule.Deny, "allow")), nil,
			"tier kube-admin: NetworkPolicy ns/empty: no rule decides\n" +
				"tier kube-admin: nothing decides; the tier's default is Pass, because it applies NetworkPolicy ns/empty\n" +
				"tier default: NetworkPolicy ns/allow: rule 1 (a1): Allow text\n" +
				"Allow"},
		{"pass leaves the tier", tiers(tier("a", rule.Deny, "pass", "deny"), tier("b", rule.Deny, "allow")), nil,
			"tier a: NetworkPolicy ns/pass: rule 0 (p0): Pass text\n" +
				"tier b: NetworkPolicy ns/allow: rule 1 (a1): Allow text\n" +
				"Allow"},
		{"pass in the last tier", tiers(tier("a", rule.Deny, "pass")), []string{"allow"},
			"tier a: NetworkPolicy ns/pass: rule 0 (p0): Pass text\n" +
				"profiles: Profile allow: rule 1 (a1): Allow text\n" +
				"Allow"},
		{"log goes on", tiers(tier("a", rule.Deny, "log", "log-allow")), nil,
			"tier a: NetworkPolicy ns/log: rule 0 (l0): Log text\n" +
				"tier a: NetworkPolicy ns/log: no rule decides\n" +
				"tier a: NetworkPolicy ns/log-allow: rule 0 (la0): Log text\n" +
				"tier a: NetworkPolicy ns/log-allow: rule 1 (la1): Allow text\n" +
				"Allow"},
		{"a tier without applicable policies", tiers(tier("a", rule.Deny), tier("b", rule.Deny, "allow")), nil,
			"tier b: NetworkPolicy ns/allow: rule 1 (a1): Allow text\nAllow"},
		{"the first decision counts", tiers(tier("a", rule.Pass, "deny"), tier("b", rule.Deny, "allow")), []string{"allow"},
			"tier a: NetworkPolicy ns/deny: rule 0 (d0): Deny text\nDeny"},
		{"an unset default denies", tiers(tier("a", rule.NoMatch, "empty")), []string{"allow"},
			"tier a: NetworkPolicy ns/empty: no rule decides\n" +
				"tier a: nothing decides; the tier's default is Deny, because it applies NetworkPolicy ns/empty\n" +
				"Deny"},
		{"an unknown policy denies", tiers(tier("a", rule.Pass, "gone", "allow")), []string{"allow"},
			"tier a: NetworkPolicy ns/gone: the policy is not known; Deny\nDeny"},
		{"an unknown set denies", tiers(tier("a", rule.Pass, "no-set")), []string{"allow"},
			"tier a: NetworkPolicy ns/no-set: rule 0 (n0): set gone is not known for: Allow text; Deny\nDeny"},
		{"an unknown profile denies", nil, []string{"gone", "allow"}, "profiles: Profile gone: the policy is not known; Deny\nDeny"},
	} {
		ep := ingress(c.tiers...)
		for _, p := range c.profiles {
			ep.Profiles = append(ep.Profiles, profile(p))
		}
		result := eval.Evaluate(sequenceWorld(), ep, rule.Ingress, tcp)
		if got := result.String(); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
		if d := result.Decision(); d.Action != result.Verdict {
			t.Errorf("%s: the deciding step %v has another action than the verdict %s", c.name, d, result.Verdict)
		}
	}
}

// TestDirections checks that each end is judged by its own direction, and both ends always.
func TestDirections(t *testing.T) {
	p := named("p")
	w := world{policies: map[rule.PolicyID]*desired.Policy{
		p: {ID: p, Rules: [2][]rule.Rule{
			rule.Ingress: {r("in", 0, rule.Allow, rule.Match{})},
			rule.Egress:  {r("out", 0, rule.Deny, rule.Match{})},
		}},
	}}
	deny := []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{p}, DefaultAction: rule.Deny}}
	ep := &desired.Endpoint{Tiers: [2][]desired.TierPolicies{deny, deny}}
	for _, c := range []struct {
		name     string
		src, dst *desired.Endpoint
		want     bool
		in, out  rule.ID
	}{
		{"outside to endpoint", nil, ep, true, "in", ""},
		{"endpoint to outside", ep, nil, false, "", "out"},
		{"between endpoints", ep, ep, false, "in", "out"},
		{"neither known", nil, nil, true, "", ""},
	} {
		flow := eval.Judge(w, c.src, c.dst, tcp)
		if flow.Allowed() != c.want || decidedBy(flow.Ingress) != c.in || decidedBy(flow.Egress) != c.out {
			t.Errorf("%s: allowed %v by %q and %q", c.name, flow.Allowed(), decidedBy(flow.Egress), decidedBy(flow.Ingress))
		}
	}
	closed := eval.Judge(w, nil, &desired.Endpoint{}, tcp)
	if closed.Allowed() {
		t.Error("an endpoint without policy and profile is open")
	}
}

func decidedBy(r *eval.Result) rule.ID {
	if r == nil {
		return ""
	}
	return r.Decision().RuleID
}

// TestFromView checks the look-up of members in desired state.
func TestFromView(t *testing.T) {
	members := func(list ...desired.Member) []desired.Member { return list }
	state := desired.NewState()
	err := state.Apply(&desired.Delta{IPSets: []desired.IPSetChange{
		{ID: "nets", Kind: rule.SetNet, Created: true, Added: members(
			desired.Member{Prefix: net("10.1.0.0/16")}, desired.Member{Prefix: net("fd00::1/128")})},
		{ID: "all", Kind: rule.SetNet, Created: true, Added: members(desired.Member{Prefix: net("0.0.0.0/0")})},
		{ID: "ports", Kind: rule.SetPort, Created: true, Added: members(desired.Member{Prefix: net("10.1.0.1/32"), Protocol: 6, Port: 80})},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := eval.FromView(state)
	host := func(text string) netip.Prefix { return desired.HostPrefix(addr(text)) }
	for _, c := range []struct {
		set          rule.SetID
		member       desired.Member
		holds, known bool
	}{
		{"nets", desired.Member{Prefix: host("10.1.2.3")}, true, true},
		{"nets", desired.Member{Prefix: host("10.2.0.1")}, false, true},
		{"nets", desired.Member{Prefix: host("fd00::1")}, true, true},
		{"nets", desired.Member{Prefix: host("fd00::2")}, false, true},
		{"all", desired.Member{Prefix: host("192.0.2.1")}, true, true},
		{"all", desired.Member{Prefix: host("fd00::1")}, false, true},
		{"ports", desired.Member{Prefix: host("10.1.0.1"), Protocol: 6, Port: 80}, true, true},
		{"ports", desired.Member{Prefix: host("10.1.0.1"), Protocol: 17, Port: 80}, false, true},
		{"gone", desired.Member{Prefix: host("10.1.0.1")}, false, false},
	} {
		if holds, known := w.Contains(c.set, c.member); holds != c.holds || known != c.known {
			t.Errorf("Contains(%s, %v) = %v, %v; want %v, %v", c.set, c.member, holds, known, c.holds, c.known)
		}
	}
}
