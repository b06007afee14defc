// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e_test breaks a whole cluster in every way the promises cover, and watches packets meanwhile.
//
// Each test has a lab of its own: real agents, etcd, BGP and CNI in network namespaces, with real packets judged against policy/eval.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// bin holds the programs under test; `make test` builds them.
const bin = "../../bin"

// slow tells that the machine is an emulated one, where everything takes its time; tools/vm.sh sets it.
var slow = os.Getenv("WEFT_SLOW") != ""

// patience bounds every wait. Waits end with the event; patience is only for what never comes.
var patience = map[bool]time.Duration{false: 20 * time.Second, true: 5 * time.Minute}[slow]

// cluster is a lab with three workloads and the protect-database policy.
type cluster struct {
	*lab.Lab
	t *testing.T
}

// up makes a lab of n nodes that is removed, and checked for leftovers, at the end of the test.
func up(t *testing.T, name string, nodes int) *cluster {
	t.Helper()
	return upAs(t, lab.Spec{Name: name, Nodes: nodes})
}

// upAs makes a lab of another shape.
func upAs(t *testing.T, spec lab.Spec) *cluster {
	t.Helper()
	programs, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(programs, "weft")); err != nil {
		t.Fatalf("%v; run `make build` first", err)
	}
	before, err := lab.TakeInventory(spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	if slow {
		spec.StartLimit = patience
	}
	spec.Bin, spec.Owned, spec.Progress = programs, true, func(s string) { t.Log(s) }
	l, err := lab.Up(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { takeDown(t, l, before) })
	return &cluster{l, t}
}

func takeDown(t *testing.T, l *lab.Lab, before lab.Inventory) {
	if t.Failed() {
		t.Log(l.LogEnds())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.Down(ctx); err != nil {
		t.Errorf("lab down: %v", err)
	}
	after, err := lab.TakeInventory(l.Name())
	if err != nil {
		t.Error(err)
	}
	for _, left := range after.Since(before) {
		t.Errorf("left behind: %s", left)
	}
}

// populate adds a frontend, a backend and a database on the nodes, round robin, and the policy in front of the database.
func (c *cluster) populate() {
	c.t.Helper()
	nodes := c.Nodes()
	for i, app := range []string{"frontend", "backend", "database"} {
		c.add(nodes[i%len(nodes)], app, app)
	}
	c.apply(protectDatabase())
	c.converge()
}

func (c *cluster) add(node, name, app string) lab.Attached {
	c.t.Helper()
	w, err := c.AddWorkload(c.t.Context(), lab.Workload{Node: node, Namespace: "shop", Name: name, Labels: map[string]string{"app": app}})
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

func (c *cluster) apply(objs ...api.Object) {
	c.t.Helper()
	if err := c.Apply(c.t.Context(), objs...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) converge() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.Converge(ctx); err != nil {
		c.t.Fatal(err)
	}
	// The cluster's own account is ahead of the last neighbour's kernel by a moment.
	if workloads, err := c.Workloads(); err == nil && len(workloads) > 1 {
		if m := c.settled("converge", nil, []probe.Service{{Protocol: probe.ICMP}}); len(m.Mismatches()) > 0 {
			c.t.Logf("%v after everything is in force, %d ways are not as policy says; the first: %s", patience, len(m.Mismatches()), m.Mismatches()[0].Flow)
		}
	}
}

// holds sends every kind of packet between all workloads and fails if one goes otherwise than policy says.
func (c *cluster) holds(when string) {
	c.t.Helper()
	m := c.settled(when, []string{"shop/frontend", "shop/backend", "shop/database"}, nil)
	for _, cell := range m.Mismatches() {
		c.t.Errorf("%s: %s is %s, expected %s: %s", when, cell.Flow, cell.Got, cell.Expected, cell.Why)
	}
	if m.Count(probe.Allowed) == 0 || m.Count(probe.Denied) == 0 {
		c.t.Errorf("%s: a matrix without both verdicts proves nothing", when)
	}
}

// eventually waits until check returns nil.
func (c *cluster) eventually(what string, check func() error) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond) // between polls
	}
}

func (c *cluster) status(node string) (agentapi.Status, error) {
	return c.Agent(node).Status(c.t.Context())
}

// repaired waits until a kernel writer of the node has undone a foreign change.
func (c *cluster) repaired(node string, part func(agentapi.Status) agentapi.ComponentStatus, before int) {
	c.t.Helper()
	c.eventually("repair on "+node, func() error {
		s, err := c.status(node)
		if err != nil {
			return err
		}
		if p := part(s); p.Repaired <= before || p.State != "programmed" {
			return fmt.Errorf("%s: %s, %d repaired", p.Name, p.State, p.Repaired)
		}
		return nil
	})
}

func protectDatabase() *v3.NetworkPolicy {
	p := &v3.NetworkPolicy{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "NetworkPolicy"}}
	p.Name, p.Namespace = "protect-database", "shop"
	p.Spec = v3.NetworkPolicySpec{
		Selector: "app == 'database'", Types: []v3.PolicyType{v3.Ingress},
		Ingress: []v3.Rule{allowTo("app == 'backend'", 5432)},
	}
	return p
}

// settled probes all pairs until they go as policy says, or patience ends. What must not pass ends the wait at once: only a route that a
// neighbour is still to learn may take its time.
func (c *cluster) settled(when string, members []string, services []probe.Service) probe.Matrix {
	c.t.Helper()
	crew, err := c.Crew(c.t.Context(), members, services)
	if err != nil {
		c.t.Fatalf("%s: %v", when, err)
	}
	defer crew.Close()
	for deadline := time.Now().Add(patience); ; {
		m, err := crew.Try(c.t.Context(), crew.Pairs(), nil)
		if err != nil {
			c.t.Fatalf("%s: %v", when, err)
		}
		wrong := m.Mismatches()
		open := slices.ContainsFunc(wrong, func(cell probe.Cell) bool { return cell.Expected == probe.Denied })
		if len(wrong) == 0 || open || time.Now().After(deadline) {
			return m
		}
	}
}
