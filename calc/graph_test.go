// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// changes puts objects; a nil delete list.
func changes(objects ...api.Object) []calc.Change {
	var out []calc.Change
	for i, obj := range objects {
		out = append(out, calc.Change{Key: api.KeyOf(obj), Object: obj, Revision: uint64(i + 1)})
	}
	return out
}

func deletions(objects ...api.Object) []calc.Change {
	var out []calc.Change
	for _, obj := range objects {
		out = append(out, calc.Change{Key: api.KeyOf(obj)})
	}
	return out
}

// apply feeds a new graph for ct.Me.
func apply(objects ...api.Object) *calc.Graph { return calcFor(ct.Me, objects...) }

func calcFor(node string, objects ...api.Object) *calc.Graph {
	g := calc.New(node)
	g.Apply(changes(objects...))
	g.Flush()
	return g
}

func base() []api.Object {
	return []api.Object{ct.Namespace("prod", nil), ct.ServiceAccount("prod/default", nil), ct.Endpoint("prod/db", ct.Me, ct.Labels{"app": "db"}, "10.65.0.1")}
}

func guard(selector string) *v3.NetworkPolicy {
	return ct.Policy("prod/guard", func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{ct.From(v3.Allow, selector)} })
}

func TestNothingChangedIsNil(t *testing.T) {
	g := apply(base()...)
	g.Apply(changes(base()...))
	if d := g.Flush(); d != nil {
		t.Errorf("the same objects again: %s", ct.Describe(d))
	}
	g.Apply(changes(ct.Endpoint("prod/x", "n2", nil, "10.65.1.1")))
	if d := g.Flush(); d != nil {
		t.Errorf("a remote endpoint that no set holds: %s", ct.Describe(d))
	}
	g.Apply([]calc.Change{{Key: api.Key{Resource: "widgets.example.org", Name: "w"}, Object: ct.Namespace("w", nil)}})
	if d := g.Flush(); d != nil || len(g.Problems()) > 0 {
		t.Errorf("an unknown resource: %s %v", ct.Describe(d), g.Problems())
	}
}

// TestCoalescing checks that what comes and goes between two flushes leaves no trace, and that a set which is dropped and needed again
// keeps its members.
func TestCoalescing(t *testing.T) {
	g := apply(append(base(), guard("app == 'web'"), ct.Endpoint("prod/web", "n2", ct.Labels{"app": "web"}, "10.65.1.1"))...)
	other := ct.Policy("prod/other", func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{ct.From(v3.Allow, "app == 'other'")} })
	g.Apply(changes(other))
	g.Apply(deletions(other))
	g.Apply(deletions(guard("")))
	g.Apply(changes(guard("app == 'web'")))
	if d := g.Flush(); d != nil {
		t.Errorf("got %s", ct.Describe(d))
	}
	g.Apply(deletions(guard("")))
	g.Apply(changes(ct.Endpoint("prod/web", "n2", ct.Labels{"app": "web"}, "10.65.1.2"), guard("app == 'web'")))
	d := g.Flush()
	if d == nil || len(d.IPSets) != 1 || d.IPSets[0].Created || len(d.Policies)+len(d.IPSetsRemoved)+len(d.PoliciesRemoved) > 0 {
		t.Fatalf("got %s", ct.Describe(d))
	}
	if c := d.IPSets[0]; fmt.Sprint(c.Added, c.Removed) != "[10.65.1.2] [10.65.1.1]" {
		t.Errorf("members +%v -%v", c.Added, c.Removed)
	}
}

// TestLastGood checks that a bad version of an object leaves the good one in force, and that deleting it does not.
func TestLastGood(t *testing.T) {
	g := apply(append(base(), guard("app == 'web'"))...)
	id := rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "prod", Name: "guard"}
	bad := map[string][]calc.Change{
		"typo":       changes(guard("app = 'web'")),
		"unreadable": {{Key: api.KeyOf(guard("")), Err: errors.New("value is no JSON")}},
		"other kind": {{Key: api.KeyOf(guard("")), Object: ct.Namespace("guard", nil)}},
	}
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			g.Apply(c)
			if d := g.Flush(); d != nil {
				t.Fatalf("the bad version has an effect: %s", ct.Describe(d))
			}
			problems := g.Problems()
			if len(problems) != 1 || !problems[0].Refused || problems[0].Key != c[0].Key {
				t.Fatalf("problems: %v", problems)
			}
		})
	}
	g.Apply(changes(guard("app == 'web'")))
	if d := g.Flush(); d != nil || len(g.Problems()) > 0 {
		t.Fatalf("mended: %s %v", ct.Describe(d), g.Problems())
	}
	g.Apply(bad["typo"])
	g.Apply(deletions(guard("")))
	d := g.Flush()
	if d == nil || !slices.Contains(d.PoliciesRemoved, id) || len(g.Problems()) > 0 {
		t.Fatalf("deleted: %s %v", ct.Describe(d), g.Problems())
	}
}

func TestEndpoint(t *testing.T) {
	order := 5.0
	g := apply(append(base(),
		ct.Tier("first", 10, v3.Pass),
		ct.GlobalPolicy("first.all", func(s *v3.GlobalNetworkPolicySpec) {
			s.Tier, s.Types, s.Egress = "first", []v3.PolicyType{v3.Egress}, []v3.Rule{ct.From(v3.Pass, "")}
		}),
		ct.GlobalPolicy("zz", func(s *v3.GlobalNetworkPolicySpec) { s.Order = &order }),
		ct.GlobalPolicy("untracked", func(s *v3.GlobalNetworkPolicySpec) {
			yes := true
			s.DoNotTrack, s.ApplyOnForward = &yes, &yes
		}),
		guard("app == 'web'"))...)
	e, ok := g.View().Endpoint(desired.EndpointID{Namespace: "prod", Name: ct.Endpoint("prod/db", ct.Me, nil).Name})
	if !ok {
		t.Fatal("no endpoint")
	}
	ingress := "[{default [GlobalNetworkPolicy zz NetworkPolicy prod/guard] Deny}]"
	egress := "[{first [GlobalNetworkPolicy first.all] Pass}]"
	if got := fmt.Sprint(e.Tiers[rule.Ingress]); got != ingress {
		t.Errorf("ingress %s, want %s", got, ingress)
	}
	if got := fmt.Sprint(e.Tiers[rule.Egress]); got != egress {
		t.Errorf("egress %s, want %s", got, egress)
	}
	if got := fmt.Sprint(e.Profiles); got != "[Profile kns.prod Profile ksa.prod.default]" || e.Revision != 3 || e.Interface != "calidb" {
		t.Errorf("profiles %s, revision %d, interface %s", got, e.Revision, e.Interface)
	}
}

// TestOriginCannotBeClaimed checks that labels which tell where a workload is from are not taken from the workload.
func TestOriginCannotBeClaimed(t *testing.T) {
	impostor := ct.Endpoint("dev/x", "n2", ct.Labels{"projectcalico.org/namespace": "prod", "projectcalico.org/serviceaccount": "admin", "app": "web"}, "10.65.1.9")
	g := apply(append(base(), guard("app == 'web'"), impostor)...)
	for set := range g.View().IPSets() {
		if len(set.Members) > 0 {
			t.Errorf("set %s: %v", set.ID, set.Members)
		}
	}
}

// TestLongServiceAccount checks that a name which is no label value makes no label.
func TestLongServiceAccount(t *testing.T) {
	long := ct.Endpoint("prod/web", "n2", nil, "10.65.1.1")
	long.Spec.ServiceAccountName = strings.Repeat("a", 64)
	g := apply(append(base(), guard("has(projectcalico.org/serviceaccount)"), long)...)
	for set := range g.View().IPSets() {
		if len(set.Members) != 1 { // the endpoint of this node has a short one
			t.Errorf("set %s: %v", set.ID, set.Members)
		}
	}
}

// TestLocalGoesFirst checks that a workload which this node started has its address even if the store tells of another one later.
func TestLocalGoesFirst(t *testing.T) {
	g := apply(base()...)
	mine, stale := ct.Endpoint("prod/mine", ct.Me, nil, "10.65.0.7"), ct.Endpoint("prod/stale", ct.Me, nil, "10.65.0.7")
	g.Apply([]calc.Change{{Key: api.KeyOf(mine), Object: mine, Revision: 1, Local: true}, {Key: api.KeyOf(stale), Object: stale, Revision: 5000}})
	g.Flush()
	for r := range g.View().Routes() {
		if r.Dst.Addr().String() == "10.65.0.7" && r.Interface != "calimine" {
			t.Errorf("the route is %v", r)
		}
	}
	if r := g.View().Revision(); r != 5000 {
		t.Errorf("revision %d, want the store's", r)
	}
}

// TestNothingIsLeftBehind walks at random, deletes everything and looks into all corners.
func TestNothingIsLeftBehind(t *testing.T) {
	g := apply()
	empty := g.Sizes()
	for seed := range uint64(5) {
		keys := map[api.Key]bool{}
		for _, step := range ct.Walk(100+seed, 300) {
			g.Apply(step.Changes)
			for _, c := range step.Changes {
				keys[c.Key] = true
			}
			if step.Flush {
				g.Flush()
			}
		}
		for key := range keys {
			g.Apply([]calc.Change{{Key: key}})
		}
		g.Flush()
		if got := g.Sizes(); !maps.Equal(got, empty) {
			t.Fatalf("seed %d: left %v, want %v", seed, got, empty)
		}
		if d := desired.Diff(desired.NewState(), g.View()); d != nil {
			t.Fatalf("seed %d: still desired: %s", seed, ct.Describe(d))
		}
	}
}
