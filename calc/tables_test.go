// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestTables compares all tables of a small cluster with testdata/tables.txt.
func TestTables(t *testing.T) {
	g := apply(append(rack(),
		ct.Namespace("prod", ct.Labels{"env": "prod"}), ct.ServiceAccount("prod/default", nil),
		ct.Endpoint("prod/db", ct.Me, ct.Labels{"app": "db"}, "10.65.0.1", "fd00:65::1"),
		ct.Endpoint("prod/web", "n2", ct.Labels{"app": "web"}, "10.65.1.1"),
		ct.Affinity(ct.Me, "10.65.0.0/26"), ct.Pool("p", "10.65.0.0/16"),
		guard("app == 'web'"),
		ct.Policy("prod/ports", func(s *v3.NetworkPolicySpec) {
			s.Tier, s.Selector, s.Egress = "security", "app == 'db'", []v3.Rule{ct.ToPort(v3.Deny, port("http"), port("80:90"))}
		}),
		ct.Tier("security", 10, v3.Pass),
		ct.Policy("prod/lost", func(s *v3.NetworkPolicySpec) { s.Tier = "nowhere" }),
		hostEndpoint("host", "eth0", "192.0.2.10"), hostPolicy("hosts", false, false, true),
		ct.Staged(v3.StagedDelete, ct.Policy("prod/guard", func(*v3.NetworkPolicySpec) {})),
		ct.Profile("unused", ct.Labels{"a": "b"}),
	)...)
	var b strings.Builder
	for _, table := range g.Tables() {
		b.WriteString("== " + table.Name + "\n" + strings.Join(table.Columns, " | ") + "\n")
		for row := range table.Rows {
			if len(row) != len(table.Columns) {
				t.Errorf("table %s: row %v does not fit columns %v", table.Name, row, table.Columns)
			}
			b.WriteString(strings.Join(row, " | ") + "\n")
		}
	}
	const golden = "testdata/tables.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("tables differ from %s (run with -update if that is meant):\n%s", golden, b.String())
	}
}
