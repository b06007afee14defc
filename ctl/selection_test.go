// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
)

// TestGetSeveral asks for objects in each of the forms that people try.
func TestGetSeveral(t *testing.T) {
	u := newUser(t)
	u.must(strings.Join([]string{pool, policy, kubePolicy}, "---\n"), "apply", "-f", "-")
	for _, tc := range []struct {
		args string
		want string
	}{
		{"ippools,networkpolicies -A", "ippool blue\nnetworkpolicy prod/protect-database\n"},
		{"ippool/blue networkpolicy/prod/protect-database", "ippool blue\nnetworkpolicy prod/protect-database\n"},
		{"networkpolicy prod/protect-database", "networkpolicy prod/protect-database\n"},
		{"networkpolicy protect-database -A", "networkpolicy prod/protect-database\n"},
		{"networkpolicy.networking.k8s.io deny-all -n prod", "networkpolicy.networking.k8s.io prod/deny-all\n"},
		{"all -n prod", "ippool blue\nnetworkpolicy prod/protect-database\nnetworkpolicy.networking.k8s.io prod/deny-all\n"},
	} {
		expect(t, tc.args, u.must("", append([]string{"get", "-o", "name"}, strings.Fields(tc.args)...)...), tc.want)
	}
	table := u.must("", "get", "ippools,knp", "-A")
	if !strings.Contains(table, "ippool/blue ") || !strings.Contains(table, "networkpolicy.networking.k8s.io/deny-all ") || !strings.Contains(table, "(all)") {
		t.Errorf("names beside other kinds must carry theirs:\n%s", table)
	}
	var listed struct{ Items []struct{ Kind string } }
	if err := json.Unmarshal([]byte(u.must("", "get", "ippools,knp", "-A", "-o", "json")), &listed); err != nil || len(listed.Items) != 2 {
		t.Errorf("json of two kinds: %v, %d items, want 2", err, len(listed.Items))
	}
	expect(t, "delete what was printed", u.must("", "delete", "ippool/blue", "networkpolicy/prod/protect-database"),
		"ippool blue deleted\nnetworkpolicy prod/protect-database deleted\n")
}

// TestNothingFound pins what a person sees who looks in the wrong place.
func TestNothingFound(t *testing.T) {
	u := newUser(t)
	u.must(pool, "apply", "-f", "-")
	for _, tc := range []struct {
		args      string
		want      string
		code      int
		alsoPrint string
	}{
		{"get ippool green", "weft: ippool green: not found\n", ExitError, ""},
		{"get ippool green blue", "weft: ippool green: not found\n", ExitPartial, "blue"},
		{"get networkpolicy x -n prod", "weft: networkpolicy prod/x: not found in namespace prod; -n NAMESPACE looks in another\n", ExitError, ""},
		{"get networkpolicy x -A", "weft: networkpolicy x: not found in any namespace\n", ExitError, ""},
		{"get networkpolicies", "no networkpolicies in namespace default; -A looks in all\n", 0, ""},
		{"get knp -A", "no networkpolicies.networking.k8s.io\n", 0, ""},
		{"get tiers", "no tiers; kube-admin, default and kube-baseline are built in and need no object\n", 0, ""},
		{"describe bgppeers", "no bgppeers\n", 0, ""},
		{"delete ippool green", "weft: ippool green: not found\n", ExitError, ""},
	} {
		out, errOut, code := u.run("", strings.Fields(tc.args)...)
		if code != tc.code || errOut != tc.want || !strings.Contains(out, tc.alsoPrint) || (tc.alsoPrint == "" && out != "") {
			t.Errorf("weft %s: exit %d, want %d\n%s%s\nwant: %s", tc.args, code, tc.code, out, errOut, tc.want)
		}
	}
}

// TestEveryKindHasATable renders an empty object of each kind: no column may trip over an absent field.
func TestEveryKindHasATable(t *testing.T) {
	bare := []api.Resource{api.Namespaces, api.ServiceAccounts} // labels and age are all there is to show
	for kind := range api.Kinds() {
		var out strings.Builder
		if err := objectTable(&group{kind: kind, objects: []api.Object{kind.New()}}, nil, false, time.Now()).Write(&out, true); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		if len(fields[kind.Resource]) == 0 && !slices.Contains(bare, kind.Resource) {
			t.Errorf("%s shows nothing but a name; add columns to fields", kind.Kind)
		}
	}
}
