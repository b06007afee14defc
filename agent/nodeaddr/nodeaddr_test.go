// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nodeaddr

import (
	"net/netip"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	p := netip.MustParsePrefix
	eth0 := Candidate{"eth0", "", true, p("192.0.2.7/24")}
	eth1 := Candidate{"eth1", "", true, p("198.51.100.7/24")}
	docker := Candidate{"docker0", "bridge", true, p("172.17.0.1/16")}
	nodelocal := Candidate{"nodelocaldns", "dummy", true, p("169.254.20.10/32")}
	down := Candidate{"eth2", "", false, p("203.0.113.1/24")}
	pod := Candidate{"cali1234", "veth", true, p("10.0.0.1/32")}
	labNIC := Candidate{"eth0", "veth", true, p("172.30.1.11/24")}

	for _, tc := range []struct {
		name, want, reason string
		facts              Facts
	}{
		{"operator wins and gets the subnet", "198.51.100.7/24", "operator", Facts{Explicit: p("198.51.100.7/32"), RouteSource: eth0.Prefix.Addr(), Candidates: []Candidate{eth0, eth1}}},
		{"operator may name an address not here yet", "203.0.113.9/25", "operator", Facts{Explicit: p("203.0.113.9/25")}},
		{"sticky while present", "198.51.100.7/24", "before", Facts{Previous: p("198.51.100.7/24"), RouteSource: eth0.Prefix.Addr(), Candidates: []Candidate{eth0, eth1}}},
		{"previous gone: the kernel's choice", "198.51.100.7/24", "default route", Facts{Previous: p("10.9.9.9/24"), RouteSource: eth1.Prefix.Addr(), Candidates: []Candidate{eth0, eth1}}},
		{"a changed prefix length is taken over", "192.0.2.7/24", "before", Facts{Previous: p("192.0.2.7/16"), Candidates: []Candidate{eth0}}},
		{"docker, nodelocaldns, pods and links that are down are no candidates", "192.0.2.7/24", "first", Facts{Candidates: []Candidate{docker, nodelocal, pod, down, eth0}}},
		{"the route source on a bridge is not trusted", "192.0.2.7/24", "first", Facts{RouteSource: docker.Prefix.Addr(), Candidates: []Candidate{docker, eth0}}},
		{"a veth may be the NIC of a container host", "172.30.1.11/24", "default route", Facts{RouteSource: labNIC.Prefix.Addr(), Candidates: []Candidate{labNIC}}},
		{"IPv6 link-local is refused", "2001:db8::7/64", "first", Facts{Candidates: []Candidate{{"eth0", "", true, p("fe80::1/64")}, {"eth0", "", true, p("2001:db8::7/64")}}}},
		{"nothing usable", "invalid Prefix", "no usable", Facts{Candidates: []Candidate{docker}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Choose(tc.facts)
			if got.Value.String() != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("Choose = %s (%s), want %s (…%s…); rejected %v", got.Value, got.Reason, tc.want, tc.reason, got.Rejected)
			}
		})
	}
}

func TestRejectedSayWhy(t *testing.T) {
	got := Choose(Facts{Candidates: []Candidate{{"docker0", "bridge", true, netip.MustParsePrefix("172.17.0.1/16")}}})
	if len(got.Rejected) != 1 || got.Rejected[0] != "172.17.0.1/16 on docker0: a bridge device" {
		t.Errorf("Rejected = %q", got.Rejected)
	}
}
