// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// anyPolicy returns a random policy of any kind.
func anyPolicy(r *rand.Rand, name string) api.Object {
	rules := []v3.Rule{randomRule(r), randomRule(r)}
	meta, types := v3.ObjectMeta{Name: name, Namespace: "a"}, []v3.PolicyType{v3.Ingress, v3.Egress}
	switch r.IntN(4) {
	case 0:
		return &v3.NetworkPolicy{ObjectMeta: meta, Spec: v3.NetworkPolicySpec{Types: types, Ingress: rules, Egress: rules}}
	case 1:
		return &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.GlobalNetworkPolicySpec{Types: types, Ingress: rules, Egress: rules}}
	case 2:
		return randomKubePolicy(r, name)
	}
	return randomAdminPolicy(r, r.IntN(1000), chance(r, 30), true).newForm(name)
}

// compilePolicy compiles what anyPolicy returns.
func compilePolicy(t *testing.T, obj api.Object) *rule.Policy {
	t.Helper()
	p, _, err := rule.CompilePolicy(obj)
	if p == nil {
		t.Fatalf("%T: %v", obj, err)
	}
	return p
}

// place is a group of fields of an object, and the rule that it belongs to; index -1: none.
type place struct {
	fields map[string]any
	dir    rule.Direction
	index  int
}

// places returns the groups of fields in a value: those of labels are free, so that no name is unknown there.
func places(value any, in place) (out []place) {
	switch v := value.(type) {
	case map[string]any:
		in.fields = v
		out = append(out, in)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list, isList := v[name].([]any)
			switch {
			case name == "matchLabels":
			case in.index < 0 && isList && (name == "ingress" || name == "egress"):
				for i, r := range list {
					out = append(out, places(r, place{dir: map[string]rule.Direction{"ingress": rule.Ingress, "egress": rule.Egress}[name], index: i})...)
				}
			default:
				out = append(out, places(v[name], in)...)
			}
		}
	case []any:
		for _, item := range v {
			out = append(out, places(item, in)...)
		}
	}
	return out
}

// withUnknown returns a policy with a field that nobody knows somewhere in its spec, and where.
func withUnknown(t *testing.T, r *rand.Rand, obj api.Object) (api.Object, place) {
	t.Helper()
	data, err := api.Encode(obj)
	var tree map[string]any
	if err == nil {
		err = json.Unmarshal(data, &tree)
	}
	at := oneOf(r, places(tree["spec"], place{index: -1})...)
	at.fields["fooBar"] = oneOf[any](r, true, nil, "x", []any{map[string]any{"action": "Allow"}}, map[string]any{"ingress": []any{}})
	if err == nil {
		data, err = json.Marshal(tree)
	}
	if err == nil {
		obj, err = api.DecodeLenient(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return obj, at
}

// TestUnknownFieldsNeverAllow puts an unknown field anywhere into policies of all kinds: nothing is allowed that was not allowed without it, and no rule that may
// mean something else than what is known of it allows or passes anything.
func TestUnknownFieldsNeverAllow(t *testing.T) {
	closed, same := 0, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 5))
		known := randomCluster(r, true)
		known.policies = []*rule.Policy{compilePolicy(t, randomKubePolicy(r, "other"))}
		obj := anyPolicy(r, "p")
		doubtful, at := withUnknown(t, r, obj)
		unknown := *known
		unknown.policies = append(slices.Clone(known.policies), compilePolicy(t, doubtful))
		known.policies = append(known.policies, compilePolicy(t, obj))
		for range 20 {
			f := known.randomFlow(r)
			for dir, pod := range map[rule.Direction]*thing{rule.Ingress: f.dst, rule.Egress: f.src} {
				if pod == nil {
					continue
				}
				before, now := eval.Evaluate(known, known.endpoint(pod), dir, f.packet), eval.Evaluate(&unknown, unknown.endpoint(pod), dir, f.packet)
				switch {
				case now.Verdict == before.Verdict:
					same++
				case now.Verdict == rule.Deny:
					closed++
				default:
					t.Fatalf("seed %d: %s of %+v is allowed by an unknown field of rule %d:\n%s\nwithout it:\n%s", seed, dir, f.packet, at.index, &now, &before)
				}
				for _, s := range now.Trace {
					doubted := s.Policy == unknown.policies[1].ID && s.Kind == eval.RuleMatched && (at.index < 0 || at.index == s.Index && at.dir == dir)
					if doubted && (s.Action == rule.Allow || s.Action == rule.Pass) {
						t.Fatalf("seed %d: rule %d has an unknown field and decides:\n%s", seed, at.index, &now)
					}
				}
			}
		}
	}
	if closed < 400 || same < 1000 {
		t.Errorf("%d closed, %d the same: the generator hardly tries one of them", closed, same)
	}
}
