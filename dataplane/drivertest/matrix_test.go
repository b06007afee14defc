// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// TestMatrixIsComplete wants each field of a match in a row with packets that it lets through, and in one with packets that it does not.
func TestMatrixIsComplete(t *testing.T) {
	yes, no := map[string]bool{}, map[string]bool{}
	for _, r := range matrix {
		for _, field := range stated(reflect.ValueOf(r.match), "") {
			yes[field] = yes[field] || len(r.yes) > 0
			no[field] = no[field] || len(r.no) > 0
		}
	}
	for _, field := range leaves(reflect.TypeFor[rule.Match](), "") {
		if !yes[field] || !no[field] {
			t.Errorf("rule.Match%s: a row where it matches %v, one where it does not %v; add to the matrix", field, yes[field], no[field])
		}
	}
}

// TestMatrixJudged holds the matrix against the judge, without a kernel.
func TestMatrixJudged(t *testing.T) {
	for i, r := range matrix {
		now := r.state(t, i)
		for _, v6 := range []bool{false, true} {
			if r.families == 4 && v6 || r.families == 6 && !v6 {
				continue
			}
			for _, k := range append(slices.Clone(r.yes), r.no...) {
				matches := slices.Contains(r.yes, k)
				if want := expect(now, k.probe(v6)); (want.out != "") != matches {
					t.Errorf("%s: %v: the judge says %q\n%s", r.name, k.probe(v6), want.out, want.why)
				}
			}
		}
	}
}

// TestActionCasesJudged holds the cases of actions against the judge, and wants each action and each end of a tier in one that is hit.
func TestActionCasesJudged(t *testing.T) {
	seen := map[rule.Action]bool{}
	for _, c := range actionCases {
		now := actionState(t, c.tiers, c.profiles, rule.Ingress)
		want := expect(now, probe{uplink, sent{src: "world", dst: "pod1", port: 80}.packet(false, 1)})
		var hits []rule.ID
		for _, id := range c.hits {
			hits = append(hits, id+"-ingress")
		}
		slices.Sort(hits)
		if got := slices.Sorted(maps.Keys(want.hits)); (want.out != "") != c.allowed || !slices.Equal(got, hits) {
			t.Errorf("%s: the judge says %q by %v; want allowed %v by %v", c.name, want.out, got, c.allowed, hits)
		}
		for p := range now.Policies() {
			for _, r := range p.Rules[rule.Ingress] {
				seen[r.Action] = seen[r.Action] || want.hits[r.ID]
			}
		}
	}
	for action := rule.Allow; action <= rule.Log; action++ {
		if !seen[action] {
			t.Errorf("no case has a rule with %v that decides", action)
		}
	}
}

// TestHostCasesAreComplete wants each field of host endpoints and of the settings in a case.
func TestHostCasesAreComplete(t *testing.T) {
	elsewhere := []string{
		".Revision",                                                   // is handed through
		".Reject", ".AllowInvalid", ".ClampMSS", ".SourceNAT.Address", // have cases of their own
		".KeepConnections", ".Driver", // are the agent's
	}
	seen := map[string]bool{}
	for _, c := range hostCases {
		for _, field := range stated(reflect.ValueOf(c.settings), "") {
			seen[field] = true
		}
		for _, e := range c.hosts {
			for _, field := range stated(reflect.ValueOf(*e), "") {
				seen[field] = true
			}
		}
	}
	for _, c := range tunnelCases {
		for _, field := range stated(reflect.ValueOf(c.settings), "") {
			seen[field] = true
		}
	}
	for _, c := range natCases {
		for _, field := range stated(reflect.ValueOf(c.settings), "") {
			seen[field] = true
		}
	}
	fields := append(leaves(reflect.TypeFor[desired.HostEndpoint](), ""), leaves(reflect.TypeFor[desired.Settings](), "")...)
	for _, field := range fields {
		if field != ".ID.Namespace" && !seen[field] && !slices.Contains(elsewhere, field) {
			t.Errorf("%s is in no case; add one to hostCases, tunnelCases or natCases", field)
		}
	}
}

// leaves returns the paths of the leaves of a struct. Lists are leaves; of pairs each half is one.
func leaves(t reflect.Type, path string) []string {
	switch {
	case t.Kind() == reflect.Pointer:
		return leaves(t.Elem(), path)
	case t.Kind() == reflect.Array:
		return append(leaves(t.Elem(), path+"[ingress]"), leaves(t.Elem(), path+"[egress]")...)
	case t.Kind() != reflect.Struct || opaque(t):
		return []string{path}
	}
	var out []string
	for f := range t.Fields() {
		out = append(out, leaves(f.Type, path+"."+f.Name)...)
	}
	return out
}

// stated returns the paths of the leaves of a value that are not zero.
func stated(v reflect.Value, path string) []string {
	switch {
	case v.IsZero():
		return nil
	case v.Kind() == reflect.Pointer:
		return stated(v.Elem(), path)
	case v.Kind() == reflect.Array:
		return append(stated(v.Index(0), path+"[ingress]"), stated(v.Index(1), path+"[egress]")...)
	case v.Kind() != reflect.Struct || opaque(v.Type()):
		return []string{path}
	}
	var out []string
	for f, field := range v.Fields() {
		out = append(out, stated(field, path+"."+f.Name)...)
	}
	return out
}
