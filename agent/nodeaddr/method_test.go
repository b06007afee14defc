// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nodeaddr

import (
	"net/netip"
	"strings"
	"testing"
)

func TestMethods(t *testing.T) {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	eth0 := Candidate{"eth0", "", true, p("192.0.2.7/24")}
	eth1 := Candidate{"eth1", "", true, p("198.51.100.7/24")}
	bond := Candidate{"bond0", "bond", true, p("203.0.113.7/24")}
	docker := Candidate{"docker0", "bridge", true, p("172.17.0.1/16")}
	all := []Candidate{docker, eth0, eth1, bond}
	for _, tc := range []struct {
		method, want, reason string
		facts                Facts
	}{
		{"first-found", "192.0.2.7/24", "first-found", Facts{RouteSource: bond.Prefix.Addr()}},
		{"first-found", "198.51.100.7/24", "before", Facts{Previous: eth1.Prefix}},
		{"interface=eth1", "198.51.100.7/24", "interface=eth1, on eth1", Facts{}},
		{"interface=bond.*,eth.*", "203.0.113.7/24", "interface=bond.*,eth.*", Facts{}},
		{"interface=eth.*", "192.0.2.7/24", "interface", Facts{Previous: bond.Prefix}},
		{"interface=eth", "invalid Prefix", "no usable", Facts{}},
		{"interface=docker0", "invalid Prefix", "no usable", Facts{}},
		{"skip-interface=eth0,bond0", "198.51.100.7/24", "skip-interface", Facts{Previous: eth0.Prefix}},
		{"cidr=203.0.113.0/24,192.0.2.0/24", "203.0.113.7/24", "cidr", Facts{}},
		{"cidr=10.0.0.0/8", "invalid Prefix", "no usable", Facts{}},
		{"can-reach=www.example.com", "198.51.100.7/24", "towards www.example.com", Facts{ReachSource: a("198.51.100.7"), Previous: eth0.Prefix}},
		{"can-reach=192.0.2.200", "invalid Prefix", "no route to 192.0.2.200", Facts{Previous: eth0.Prefix}},
		{"can-reach=8.8.8.8", "invalid Prefix", "no usable address of this host", Facts{ReachSource: a("172.17.0.1")}},
		{"kubernetes-internal-ip", "203.0.113.7/24", "InternalIP", Facts{InternalIP: a("203.0.113.7")}},
		{"kubernetes-internal-ip", "invalid Prefix", "no InternalIP", Facts{}},
		{"interface=eth1", "192.0.2.9/24", "operator", Facts{Explicit: p("192.0.2.9/24")}},
	} {
		t.Run(tc.method, func(t *testing.T) {
			m, err := ParseMethod(tc.method)
			if err != nil || m.String() != tc.method {
				t.Fatalf("ParseMethod = %q, %v", m, err)
			}
			tc.facts.Method, tc.facts.Candidates = m, all
			got := Choose(tc.facts)
			if got.Value.String() != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("Choose = %s (%s), want %s (…%s…)", got.Value, got.Reason, tc.want, tc.reason)
			}
			if got.Value.IsValid() && !tc.facts.Explicit.IsValid() && len(got.Rejected) == 0 {
				t.Error("no candidate is said to be rejected, but docker0 is")
			}
		})
	}
}

func TestMethodsThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"first-found=eth0":           "takes no value",
		"kubernetes-internal-ip=yes": "takes no value",
		"interface":                  "needs a value",
		"cidr=":                      "needs a value",
		"cidr=10.0.0.0":              "no CIDR",
		"interface=eth(":             "no regular expression",
		"random":                     "is not known",
	} {
		if _, err := ParseMethod(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), text) {
			t.Errorf("ParseMethod(%q): %v, want …%s…", text, err, want)
		}
	}
}
