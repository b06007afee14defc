// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/lab/probe"
)

// policy is a small three-tier application's: only the backend may reach the database, on one port.
const policy = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: protect-database, namespace: shop}
spec:
  selector: app == 'database'
  types: [Ingress]
  ingress:
  - action: Allow
    protocol: TCP
    source: {selector: app == 'backend'}
    destination: {ports: [5432]}
`

func apply(t *testing.T, l *lab.Lab, manifest string) {
	t.Helper()
	docs, err := api.ReadDocuments(strings.NewReader(manifest), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if err := l.Apply(t.Context(), d.Object); err != nil {
			t.Fatal(err)
		}
	}
}

func converge(t *testing.T, l *lab.Lab) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.Converge(ctx); err != nil {
		t.Fatal(err)
	}
}

// healLimit bounds how long weft may take to put things right after a fault. BGP sessions that broke take the longest.
const healLimit = 30 * time.Second

// asExpected probes everything until it goes as policy says, and fails for every flow that does not in the end.
func asExpected(t *testing.T, l *lab.Lab, members ...string) probe.Matrix {
	t.Helper()
	converge(t, l)
	crew, err := l.Crew(t.Context(), members, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer crew.Close()
	ctx, cancel := context.WithTimeout(t.Context(), healLimit)
	defer cancel()
	begin := time.Now()
	m, err := crew.Settle(ctx, crew.Pairs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d flows, %d allowed, %d denied, as expected after %v", len(m.Cells), m.Count(probe.Allowed), m.Count(probe.Denied), time.Since(begin))
	for _, c := range m.Mismatches() {
		t.Error(c)
	}
	return m
}

// allowedTo returns which members reach dst by svc in all families.
func allowedTo(m probe.Matrix, dst string, svc probe.Service) map[string]bool {
	out := map[string]bool{}
	for _, c := range m.Cells {
		if c.Dst == dst && c.Service == svc {
			was, seen := out[c.Src]
			out[c.Src] = c.Got == probe.Allowed && (!seen || was)
		}
	}
	return out
}

func TestPolicyInARoutedCluster(t *testing.T) {
	for _, families := range []lab.Families{lab.Dual, lab.IPv4, lab.IPv6} {
		t.Run(string(families), func(t *testing.T) {
			l := labtest.Up(t, lab.Spec{Nodes: 3, Subnets: 2, Families: families})
			labtest.Attach(t, l, map[string]string{"shop/frontend": "n1", "shop/backend": "n2", "shop/database": "n3", "tools/cron": "n3"})
			m := asExpected(t, l)
			if n := m.Count(probe.Denied); n != 0 {
				t.Errorf("%d flows denied without any policy", n)
			}
			apply(t, l, policy)
			m = asExpected(t, l)
			tcp := probe.Service{Protocol: probe.TCP, Port: 5432}
			got := allowedTo(m, "shop/database", tcp)
			if len(got) != 4 || !got["shop/backend"] || got["shop/frontend"] || got["tools/cron"] || got[lab.External] {
				t.Errorf("who reaches the database: %v", got)
			}
		})
	}
}

func TestNodesAsMembers(t *testing.T) {
	l := labtest.Up(t, lab.Spec{Nodes: 2, Subnets: 2})
	labtest.Attach(t, l, map[string]string{"shop/backend": "n1", "shop/database": "n2"})
	apply(t, l, policy)
	asExpected(t, l, "shop/backend", "shop/database", "n1", "n2", lab.External)
}

func TestWorkloadsComeAndGo(t *testing.T) {
	l := labtest.Up(t, lab.Spec{Nodes: 1, Families: lab.IPv4})
	w := lab.Workload{Node: "n1", Name: "web"}
	a, err := l.AddWorkload(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Addresses) != 1 || !a.Addresses[0].Is4() || a.Key() != "default/web" {
		t.Errorf("attached %+v", a)
	}
	if _, err := l.AddWorkload(t.Context(), w); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second workload of one name: %v, want ErrExist", err)
	}
	for _, bad := range []lab.Workload{{Node: "n9", Name: "x"}, {Node: "n1", Name: "X"}, {Node: "n1", Name: "a.b"}, {Node: "n1"}} {
		if _, err := l.AddWorkload(t.Context(), bad); err == nil {
			t.Errorf("workload %+v was attached", bad)
		}
	}
	if err := l.DeleteWorkload(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Namespace("web"); !errors.Is(err, lab.ErrNotFound) {
		t.Errorf("namespace of a deleted workload: %v, want ErrNotFound", err)
	}
	if err := l.DeleteWorkload(t.Context(), "web"); !errors.Is(err, lab.ErrNotFound) {
		t.Errorf("second delete: %v, want ErrNotFound", err)
	}
	if _, err := l.AddWorkload(t.Context(), w); err != nil {
		t.Errorf("attach again: %v", err)
	}
}

// TestFailedAttachLeavesNothing lets ADD fail because the agent is dead.
func TestFailedAttachLeavesNothing(t *testing.T) {
	l := labtest.Up(t, lab.Spec{Nodes: 1})
	if err := l.KillAgent(t.Context(), "n1", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Name: "web"}); err == nil {
		t.Fatal("a workload was attached without an agent")
	}
	if err := l.StartAgent(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Name: "web"}); err != nil {
		t.Errorf("the name is still taken: %v", err)
	}
	asExpected(t, l)
}

// TestFaultsAreRepaired does what the fault actions promise and waits until weft has put things right.
func TestFaultsAreRepaired(t *testing.T) {
	l := labtest.Up(t, lab.Spec{Nodes: 2, Subnets: 2})
	labtest.Attach(t, l, map[string]string{"shop/backend": "n1", "shop/database": "n2", "shop/frontend": "n1"})
	apply(t, l, policy)
	asExpected(t, l)
	database, err := l.Workload("shop/database")
	if err != nil {
		t.Fatal(err)
	}
	block := netip.PrefixFrom(database.Addresses[0], 26).Masked()
	for _, fault := range []struct {
		name string
		do   func() error
	}{
		{"table", func() error { return l.DeleteTable(t.Context(), "n2") }},
		{"route", func() error { return l.DeleteRoute(t.Context(), "n1", block) }},
		{"restart", func() error { return l.RestartAgent(t.Context(), "n2") }},
		{"kill", func() error {
			return errors.Join(l.KillAgent(t.Context(), "n1", syscall.SIGKILL), l.StartAgent(t.Context(), "n1"))
		}},
		{"store", func() error { return errors.Join(l.StopStore(t.Context()), l.StartStore(t.Context())) }},
		{"cable", func() error { return errors.Join(l.LinkDown(t.Context(), "n2"), l.LinkUp(t.Context(), "n2")) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			if err := fault.do(); err != nil {
				t.Fatal(err)
			}
			asExpected(t, l)
		})
	}
}

func TestReflectorInPlaceOfTheMesh(t *testing.T) {
	l := labtest.Up(t, lab.Spec{Nodes: 3, Subnets: 2})
	labtest.Attach(t, l, map[string]string{"shop/backend": "n1", "shop/database": "n3"})
	if err := l.SetMesh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := l.StartReflector(t.Context()); err != nil {
		t.Fatal(err)
	}
	asExpected(t, l)
	status, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range status.Nodes {
		for _, p := range n.Agent.BGP.Peers {
			if strings.Contains(p.Type, "mesh") {
				t.Errorf("%s still has a mesh session with %s", n.Name, p.Address)
			}
		}
	}
}

// TestStartThatFailsShowsLogs: an agent that does not get ready is told of with what it said last.
func TestStartThatFailsShowsLogs(t *testing.T) {
	l := labtest.Up(t, lab.Spec{Nodes: 1, StartLimit: 5 * time.Second})
	if err := errors.Join(l.StopStore(t.Context()), l.KillAgent(t.Context(), "n1", syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	err := l.StartAgent(t.Context(), "n1")
	if err == nil || !strings.Contains(err.Error(), "log of n1:\n") || !strings.Contains(err.Error(), "datastore unavailable") {
		t.Errorf("%v; want the end of the agent's log", err)
	}
}
