// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/examples"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// script is the demo.
var script = []step{
	{"Three nodes in two subnets", "Each node is a network namespace with its own agent; the router between the subnets runs BIRD.", makeCluster},
	{"Six workloads in two namespaces", "The real CNI plugin attaches them; it answers when routes and policy are in force.", attach},
	{"BGP", "Nodes peer with each other and with the router; each announces its blocks of addresses.", showSessions},
	{"Routes", "What node n1 has in its kernel: its own workloads, and the blocks of the others as BGP told them.", showRoutes},
	{"Before any policy", "Real packets from everything to everything: four protocols, IPv4 and IPv6.", openMatrix},
	{"Protect the database", "examples/protect-database.yaml, an ordinary Calico policy, is checked and applied.", applyPolicy},
	{"The same packets again", "Only the backend of its own namespace still reaches the database, on TCP 5432.", protectedMatrix},
	{"From behind the router", "BIRD has learned the blocks: an external host reaches workloads, as far as policy lets it.", fromOutside},
	{"A route reflector in place of the mesh", "A GoBGP daemon takes over; then the mesh is switched off, and packets must not notice.", reflect},
	{"Somebody deletes the policy table of n3", "The agent sees the kernel's event and puts it back.", damage},
	{"kill -9 the agent of n3", "What is in force stays in force, and the agent comes back without a gap.", kill},
}

// The cast.
const (
	web, backend, db       = "shop/web", "shop/api", "shop/db"
	monitor, backup, crook = "ops/monitor", "ops/backup", "ops/api"
)

var cast = []lab.Workload{
	{Node: "n1", Namespace: "shop", Name: "web", Labels: map[string]string{"app": "frontend"}},
	{Node: "n2", Namespace: "shop", Name: "api", Labels: map[string]string{"app": "backend"}},
	{Node: "n3", Namespace: "shop", Name: "db", Labels: map[string]string{"app": "database"}},
	{Node: "n1", Namespace: "ops", Name: "monitor", Labels: map[string]string{"app": "monitor"}},
	{Node: "n3", Namespace: "ops", Name: "backup", Labels: map[string]string{"app": "backup"}},
	// A backend by its label, but of another namespace: a policy of shop does not mean it.
	{Node: "n2", Namespace: "ops", Name: "api", Labels: map[string]string{"app": "backend"}},
}

// database is the service that the policy protects.
var database = probe.Service{Protocol: probe.TCP, Port: 5432}

func makeCluster(ctx context.Context, d *demo) error {
	l, err := lab.Up(ctx, lab.Spec{
		Name: d.Name, Nodes: 3, Subnets: 2, Bin: d.Bin, Owned: !d.Keep,
		Progress: func(line string) { d.printf("  %s\n", line) },
	})
	if err != nil {
		return err
	}
	d.lab = l
	return nil
}

func attach(ctx context.Context, d *demo) error {
	var group errgroup.Group
	for _, w := range cast {
		group.Go(func() error {
			_, err := d.lab.AddWorkload(ctx, w)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := d.lab.Converge(ctx); err != nil {
		return err
	}
	return d.showWorkloads()
}

func openMatrix(ctx context.Context, d *demo) error {
	m, err := d.matrix(ctx)
	if err != nil {
		return err
	}
	d.expect(m.Count(probe.Allowed) == len(m.Cells), fmt.Sprintf("all %d flows arrive and are answered", len(m.Cells)), firstNot(m, probe.Allowed))
	return d.show(m, database)
}

func applyPolicy(ctx context.Context, d *demo) error {
	for line := range strings.Lines(examples.ProtectDatabase) {
		d.printf("    %s", line)
	}
	docs, err := api.ReadDocuments(strings.NewReader(examples.ProtectDatabase), "examples/protect-database.yaml")
	if err != nil {
		return err
	}
	begin := time.Now()
	for _, doc := range docs {
		if err := d.lab.Apply(ctx, doc.Object); err != nil {
			return err
		}
	}
	if err := d.lab.Converge(ctx); err != nil {
		return err
	}
	d.printf("  in force on all nodes after %d ms\n", time.Since(begin).Milliseconds())
	return nil
}

func protectedMatrix(ctx context.Context, d *demo) error {
	m, err := d.matrix(ctx)
	if err != nil {
		return err
	}
	d.expectProtected(m)
	return d.show(m, database)
}

// expectProtected says what must be so while the policy is in force, in words of its own and as the oracle judges.
func (d *demo) expectProtected(m probe.Matrix) {
	who := reachers(m, db, database)
	d.expect(len(who) == 1 && who[0] == backend, fmt.Sprintf("%s alone reaches %s on %s", backend, db, database), fmt.Sprintf("these do: %s", who))
	other := probe.Matrix{}
	rest := probe.Matrix{}
	for _, c := range m.Cells {
		switch {
		case c.Dst == db && c.Service != database:
			other.Cells = append(other.Cells, c)
		case c.Dst != db:
			rest.Cells = append(rest.Cells, c)
		}
	}
	d.expect(other.Count(probe.Denied) == len(other.Cells), fmt.Sprintf("nothing reaches %s by any other protocol", db), firstNot(other, probe.Denied))
	d.expect(rest.Count(probe.Allowed) == len(rest.Cells), "everything else is as open as before", firstNot(rest, probe.Allowed))
	wrong := m.Mismatches()
	d.expect(len(wrong) == 0, fmt.Sprintf("all %d verdicts are those of the policy evaluator", len(m.Cells)), firstOf(wrong))
}
