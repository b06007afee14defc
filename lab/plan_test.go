// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}

func complete(t *testing.T, s Spec) Spec {
	t.Helper()
	s, err := s.complete()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConfigsOfTheRouters(t *testing.T) {
	dual := newPlan(complete(t, Spec{Name: "a", Nodes: 3, Subnets: 2}))
	golden(t, "bird-dual.conf", torConfig(dual))
	golden(t, "gobgpd-dual.toml", reflectorConfig(dual))
	golden(t, "bird-ipv6.conf", torConfig(newPlan(complete(t, Spec{Name: "a", Nodes: 1, ToR: true, Families: IPv6}))))
	golden(t, "partition.nft", partitionRules([][]string{{"n1"}, {"n2", "n3"}}))
}

func TestPlan(t *testing.T) {
	s := complete(t, Spec{Name: "a", Nodes: 3, Subnets: 2})
	p := newPlan(s)
	var got []string
	for _, n := range p.nodes {
		got = append(got, fmt.Sprintf("%s %d %s %s", n.name, n.subnet, n.addrs, n.gateways))
	}
	want := []string{
		"n1 0 [172.30.1.11/24 fd30:1::b/64] [172.30.1.1/24 fd30:1::1/64]",
		"n2 0 [172.30.1.12/24 fd30:1::c/64] [172.30.1.1/24 fd30:1::1/64]",
		"n3 1 [172.30.2.13/24 fd30:2::d/64] [172.30.2.1/24 fd30:2::1/64]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if !s.ToR {
		t.Error("two subnets without a ToR: nothing would route between them")
	}
}

// TestPlanAddressesAreDistinct walks every size of lab: no address twice, every host inside its subnet, the gateway in the same one.
func TestPlanAddressesAreDistinct(t *testing.T) {
	for nodes := 1; nodes <= MaxNodes; nodes++ {
		for subnets := 1; subnets <= min(2, nodes); subnets++ {
			p := newPlan(complete(t, Spec{Name: "a", Nodes: nodes, Subnets: subnets}))
			hosts := []hostPlan{p.external, p.reflector}
			used := map[int]bool{}
			for _, n := range p.nodes {
				hosts = append(hosts, n.hostPlan)
				used[n.subnet] = true
			}
			if len(used) != subnets {
				t.Fatalf("%d nodes in %d subnets: only %d are used", nodes, subnets, len(used))
			}
			seen := map[netip.Addr]string{}
			for _, h := range hosts {
				for i, a := range h.addrs {
					if other, taken := seen[a.Addr()]; taken {
						t.Fatalf("%d nodes: %s and %s share %s", nodes, h.name, other, a)
					}
					seen[a.Addr()] = h.name
					if gw := h.gateways[i]; gw.Masked() != a.Masked() || gw.Addr() == a.Addr() {
						t.Fatalf("%d nodes: %s has %s and gateway %s", nodes, h.name, a, gw)
					}
				}
			}
		}
	}
}

func TestSpecIsChecked(t *testing.T) {
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "lab name"},
		{Spec{Name: "Lab"}, "lab name"},
		{Spec{Name: "a-b"}, "lab name"},
		{Spec{Name: "abcdefghijklm"}, "lab name"},
		{Spec{Name: "a", Nodes: -1}, "nodes"},
		{Spec{Name: "a", Nodes: MaxNodes + 1}, "nodes"},
		{Spec{Name: "a", Subnets: 3}, "subnets"},
		{Spec{Name: "a", Nodes: 1, Subnets: 2}, "subnets"},
		{Spec{Name: "a", Families: "ipv5"}, "families"},
		{Spec{Name: "a", Pools: []string{"10.0.0.0"}}, "pools"},
		{Spec{Name: "a", RemoteEtcd: "localhost"}, "remote etcd"},
	} {
		if _, err := tc.spec.complete(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want it to name %q", tc.spec, err, tc.want)
		}
	}
	s := complete(t, Spec{Name: "a", Families: IPv6})
	if s.Nodes != 3 || s.Subnets != 1 || s.ToR || len(s.Pools) != 1 || s.Pools[0] != "fd65::/64" || s.Bin == "" {
		t.Errorf("defaults %+v", s)
	}
}
