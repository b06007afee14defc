// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/driver"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/test/recipes"
)

// TestPolicyRecipes puts each manifest of examples/policy-recipes in force, one after the other in one lab, with every data plane driver in turn, and
// sends packets between all pods and a host outside: what passes has to be what the manifest's own table says, and what the oracle says.
func TestPolicyRecipes(t *testing.T) {
	all, err := recipes.Load("../../examples/policy-recipes")
	if err != nil {
		t.Fatal(err)
	}
	c := upAs(t, lab.Spec{Name: "recipes", Nodes: 2, ToR: true})
	for _, ns := range recipes.Namespaces() {
		c.apply(ns)
	}
	members := []string{lab.External}
	for i, a := range recipes.Cast {
		w := lab.Workload{Node: c.Nodes()[i%2], Namespace: a.Namespace, Name: a.Name, Labels: a.Labels}
		if _, err := c.AddWorkload(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		members = append(members, a.Key())
	}
	c.converge()
	for _, name := range []string{driver.NFTables, driver.IPTablesNFT, driver.IPTablesLegacy} {
		t.Run(name, func(t *testing.T) {
			c.apply(useDriver(name))
			c.drivenBy(name)
			for _, r := range all {
				t.Run(r.Name, func(t *testing.T) { c.recipe(t, members, &r) })
			}
		})
	}
}

// recipe tries one manifest and takes it away again.
func (c *cluster) recipe(t *testing.T, members []string, r *recipes.Recipe) {
	defer c.remove(r.Objects)
	c.apply(r.Objects...)
	c.allInForce()
	crew, err := c.Crew(t.Context(), members, recipes.Services) // new sockets: connections that are known already meet no policy
	if err != nil {
		t.Fatal(err)
	}
	defer crew.Close()
	m, err := crew.Try(t.Context(), slices.DeleteFunc(crew.Pairs(), elsewhere), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range m.Cells {
		want := probe.Denied
		if r.Allowed(actor(cell.Src), actor(cell.Dst), cell.Service) {
			want = probe.Allowed
		}
		if cell.Got != want || cell.Mismatch() {
			t.Errorf("%s is %s, the table says %s, the oracle says %s: %s", cell.Flow, cell.Got, want, cell.Expected, cell.Why)
		}
	}
	t.Logf("%d allowed, %d denied", m.Count(probe.Allowed), m.Count(probe.Denied))
}

// allInForce waits until all agents have programmed what is in the datastore.
func (c *cluster) allInForce() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.Converge(ctx); err != nil {
		c.t.Fatal(err)
	}
}

// elsewhere tells whether a flow is between others than the namespace that the recipes are about.
func elsewhere(f probe.Flow) bool {
	return !strings.HasPrefix(f.Src, "shop/") && !strings.HasPrefix(f.Dst, "shop/")
}

// actor is what the tables call a member of the lab.
func actor(member string) string {
	if member == lab.External {
		return recipes.Outside
	}
	return member
}

// remove deletes objects.
func (c *cluster) remove(objects []api.Object) {
	c.t.Helper()
	s, err := c.Store()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, obj := range objects {
		if err := s.Delete(c.t.Context(), api.KeyOf(obj), 0); err != nil {
			c.t.Fatal(err)
		}
	}
}
