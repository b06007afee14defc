// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// TestChangesLeadWhereRenderingLeads takes random steps through random states: the plan that was changed along is the one that is rendered of
// the state at once, and the kernel, which is told the differences alone, holds it.
func TestChangesLeadWhereRenderingLeads(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			walked, _, _ := fakeDriver(t)
			w := newWorld(r)
			at := w.state(t)
			apply(t, walked, at, nil)
			for step := range 60 {
				for range 1 + r.IntN(3) {
					w.step(r)
				}
				next := w.state(t)
				delta := desired.Diff(at, next)
				if at = next; delta == nil {
					continue
				}
				if _, err := walked.applyDelta(t.Context(), at, delta); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				direct, _, _ := fakeDriver(t)
				apply(t, direct, at, nil)
				if got, want := dump(t, walked), dump(t, direct); got != want {
					t.Fatalf("step %d: changed along:\n%s\nrendered at once:\n%s", step, got, want)
				}
				samePlans(t, walked.plan, direct.plan)
			}
		})
	}
}

// samePlans compares what plans remember of what leads where.
func samePlans(t *testing.T, got, want *plan) {
	t.Helper()
	for key, b := range want.tables {
		a := got.tables[key]
		if fmt.Sprint(a.refs) != fmt.Sprint(b.refs) || len(a.evaluations) != len(b.evaluations) || fmt.Sprint(a.users) != fmt.Sprint(b.users) {
			t.Fatalf("IPv%d table %s: %v %v, want %v %v", key.fam.version, key.name, a.refs, a.users, b.refs, b.users)
		}
	}
	if fmt.Sprint(got.sets.refs) != fmt.Sprint(want.sets.refs) || len(got.sets.byName) != len(want.sets.byName) || len(got.sets.bySource) != len(want.sets.bySource) {
		t.Fatalf("sets: %v, want %v", got.sets.refs, want.sets.refs)
	}
}

// world is a state that changes at random.
type world struct {
	policies  [10]int  // a pattern of rules each
	tiers     [6][]int // policies of the first tier of an endpoint; nil: it is not there
	late      [6]int   // a policy of the second
	host      int      // a policy of the host endpoint; -1: there is none
	members   [4]int   // a pattern of members of each set
	reject    bool
	hostsBack bool
}

func newWorld(r *rand.Rand) *world {
	w := &world{host: -1}
	for range 40 {
		w.step(r)
	}
	return w
}

// step changes one thing.
func (w *world) step(r *rand.Rand) {
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		w.policies[r.IntN(len(w.policies))] = r.IntN(9)
	case 4, 5:
		w.tiers[r.IntN(len(w.tiers))] = r.Perm(len(w.policies))[:r.IntN(8)]
	case 6:
		w.late[r.IntN(len(w.late))] = r.IntN(len(w.policies))
	case 7:
		w.members[r.IntN(len(w.members))] = r.IntN(4)
	case 8:
		w.host = r.IntN(len(w.policies)+1) - 1
	case 9:
		w.reject, w.hostsBack = r.IntN(8) == 0, r.IntN(8) == 0
	}
}

func (w *world) state(t *testing.T) *desired.State {
	t.Helper()
	var b build
	var sets []rule.Set
	for i, pattern := range w.members {
		members := [][]string{nil, {"10.0.0.1"}, {"10.0.0.2", "fd00::2"}, {"0.0.0.0/0", "10.0.0.0/8"}}[pattern]
		sets = append(sets, b.Set(fmt.Sprint("s", i), members...))
	}
	var ids []rule.PolicyID
	for i, pattern := range w.policies {
		from := func(set int) rule.Match {
			return rule.Match{Src: rule.Side{Sets: sets[set%len(sets) : set%len(sets)+1]}}
		}
		nets := rule.Match{Src: rule.Side{Nets: prefixes("10.1.0.0/16", "10.3.0.0/16")}}
		rules := [][]rule.Rule{
			{allow(from(i))},
			{allow(from(i)), deny(from(i + 1))},
			{allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80)}})},
			{{Action: rule.Pass}},
			{deny(from(i)), {Action: rule.Pass, Match: from(i + 1)}},
			nil,
			{allow(nets)},
			{deny(rule.Match{Src: rule.Side{NotNets: prefixes("10.1.0.0/16", "10.2.0.0/16")}})},
			{allow(rule.Match{Src: rule.Side{Nets: prefixes("10.9.0.0/16")}}), allow(from(i + 2))},
		}[pattern]
		id := rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "default", Name: fmt.Sprint("p", i)}
		for j := range rules {
			rules[j].ID = rule.ID(fmt.Sprintf("%d-%d", i, j))
		}
		ids = append(ids, b.Policy(id, slices.Clone(rules), slices.Clone(rules)))
	}
	open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})
	for i, first := range w.tiers {
		if first == nil {
			continue
		}
		var policies []rule.PolicyID
		for _, p := range first {
			policies = append(policies, ids[p])
		}
		tiers := []desired.TierPolicies{tier("first", rule.Pass, policies...), tier("default", rule.Deny, ids[w.late[i]])}
		b.Endpoint(fmt.Sprint("cali", i), tiers, []rule.PolicyID{open}, fmt.Sprint("10.65.0.", i+1), fmt.Sprint("fd00::", i+1))
	}
	if w.host >= 0 {
		both := [2][]desired.TierPolicies{{tier("default", rule.Deny, ids[w.host])}, {tier("default", rule.Pass, ids[w.host])}}
		b.Delta.HostEndpoints = []*desired.HostEndpoint{{ID: desired.EndpointID{Name: "eth0"}, Interface: "eth0", Untracked: both, PreDNAT: both[0], Normal: both, Forward: both}}
	}
	settings := *desired.DefaultSettings()
	settings.Reject = w.reject
	if w.hostsBack {
		settings.EndpointToHost = desired.HostReturn
	}
	b.Delta.Settings = &settings
	return b.State(t)
}

// TestAPolicyChangeTouchesItsChainsOnly: no whole table is read, and no other chain written, however many there are.
func TestAPolicyChangeTouchesItsChainsOnly(t *testing.T) {
	var b build
	for i := range 100 {
		p := b.Policy(np(fmt.Sprint("p", i)), []rule.Rule{allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80)}})}, nil)
		b.Endpoint(fmt.Sprint("cali", i), []desired.TierPolicies{tier("default", rule.Deny, p)}, nil, fmt.Sprint("10.65.0.", i))
	}
	view := b.State(t)
	d, tables, _ := fakeDriver(t)
	apply(t, d, view, nil)
	changed := &desired.Policy{ID: np("p7")}
	r := allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(81)}})
	r.ID = "changed"
	changed.Rules[rule.Ingress] = []rule.Rule{r}
	delta := &desired.Delta{Policies: []*desired.Policy{changed}}
	if err := view.Apply(delta); err != nil {
		t.Fatal(err)
	}
	tables.Saves, tables.Restores, tables.Written = 0, 0, nil
	apply(t, d, view, delta)
	policy := policyChain(t, d, "changed")
	slices.Sort(tables.Written)
	if tables.Saves != 0 || tables.Restores != 1 || len(tables.Written) != 2 || !slices.Contains(tables.Written, policy) {
		t.Errorf("%d tables read, %d scripts that write %q; want none and one with %s and what jumps to it", tables.Saves, tables.Restores, tables.Written, policy)
	}
}

// policyChain is the name of the chain with a rule.
func policyChain(t *testing.T, d *Driver, id rule.ID) string {
	t.Helper()
	for name, c := range d.plan.tables[tableKey{ipv4, tableFilter}].chains {
		for _, text := range c.rules {
			if found, ok := ruleIDOf(text); ok && found == id {
				return name
			}
		}
	}
	t.Fatalf("no chain with rule %s", id)
	return ""
}
