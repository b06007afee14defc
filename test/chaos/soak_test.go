// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package chaos_test lives through random faults: after every one of them each packet must go as policy says, and in the end nothing may be
// left behind.
//
// `make test` runs it for a minute, `make soak` for two hours. WEFT_SOAK sets another time, WEFT_SEED repeats a run.
package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// bin holds the programs under test; `make test` builds them.
const bin = "../../bin"

// shortRun is how long the walk takes in `make test`.
const shortRun = 30 * time.Second

// patience bounds the wait for a cluster to settle after a fault.
const patience = 60 * time.Second

// soak is a random walk over one lab.
type soak struct {
	*lab.Lab
	t       *testing.T
	random  *rand.Rand
	history []string
	running map[string]string // workload key to its app label
	next    int
	allowed string // app that may reach the database
}

func TestSoak(t *testing.T) {
	duration, seed := settings(t)
	t.Logf("WEFT_SOAK=%s WEFT_SEED=%d", duration, seed)
	programs, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	name := labName()
	before, err := lab.TakeInventory(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.Up(t.Context(), lab.Spec{Name: name, Nodes: 3, Subnets: 2, Bin: programs, Owned: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{Lab: l, t: t, random: rand.New(rand.NewPCG(seed, 1)), running: map[string]string{}, allowed: "backend"}
	defer s.end(before)
	s.begin()
	for deadline := time.Now().Add(duration); time.Now().Before(deadline) && !t.Failed(); {
		s.step()
	}
	t.Logf("%d faults survived", len(s.history))
}

func settings(t *testing.T) (time.Duration, uint64) {
	t.Helper()
	duration, seed := shortRun, rand.Uint64()
	if text := os.Getenv("WEFT_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("WEFT_SOAK: %v", err)
		}
		duration = d
	}
	if text := os.Getenv("WEFT_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("WEFT_SEED: %v", err)
		}
		seed = n
	}
	return duration, seed
}

// labName keeps a long run and the short one of `make test` apart, so that both can run on one machine.
func labName() string {
	if os.Getenv("WEFT_SOAK") != "" {
		return "longsoak"
	}
	return "soak"
}

func (s *soak) begin() {
	s.t.Helper()
	for i, app := range []string{"frontend", "backend", "database"} {
		s.check(s.add(s.Nodes()[i], app))
	}
	s.check(s.protect())
	s.verify("at the start")
}

// step injects one random fault and checks the cluster afterwards.
func (s *soak) step() {
	s.t.Helper()
	faults := []struct {
		name string
		do   func(ctx context.Context, node string) error
	}{
		{"kill the agent of %s", s.killAgent},
		{"restart the agent of %s", s.RestartAgent},
		{"delete the table of %s", s.DeleteTable},
		{"delete a route of %s", s.deleteRoute},
		{"pull the cable of %s", s.pullCable},
		{"take the datastore away (%s)", s.loseStore},
		{"change the policy (%s)", func(context.Context, string) error { return s.changePolicy() }},
		{"kill the agent of %s during a policy change", s.killDuringChange},
		{"attach a workload to %s", func(_ context.Context, node string) error { return s.add(node, s.anyApp()) }},
		{"detach a workload (%s)", func(ctx context.Context, _ string) error { return s.detachOne(ctx) }},
	}
	fault := faults[s.random.IntN(len(faults))]
	node := s.Nodes()[s.random.IntN(len(s.Nodes()))]
	what := fmt.Sprintf(fault.name, node)
	s.history = append(s.history, what)
	if err := fault.do(s.t.Context(), node); err != nil {
		s.t.Errorf("%s: %v\nbefore that: %s", what, err, s.story())
		return
	}
	s.verify("after: " + what)
}

func (s *soak) story() string {
	return strings.Join(s.history[max(0, len(s.history)-8):], "; ")
}

// verify waits for the cluster to settle and probes everything. What must not pass may never pass; what must pass may need a moment longer
// than the cluster's own account of itself, for a neighbour's BGP session to come back after a cable was pulled.
func (s *soak) verify(when string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.Converge(ctx); err != nil {
		s.t.Errorf("%s: %v\nbefore that: %s", when, err, s.story())
		return
	}
	for {
		m, err := s.Matrix(ctx, nil, []probe.Service{{Protocol: probe.ICMP}, {Protocol: probe.TCP, Port: 5432}, {Protocol: probe.UDP, Port: 5432}})
		if err != nil {
			s.t.Errorf("%s: %v", when, err)
			return
		}
		wrong := m.Mismatches()
		if len(wrong) == 0 {
			return
		}
		open := slices.ContainsFunc(wrong, func(c probe.Cell) bool { return c.Expected == probe.Denied })
		if open || ctx.Err() != nil {
			s.report(when, wrong)
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			s.report(when, wrong)
			return
		}
	}
}

func (s *soak) report(when string, wrong []probe.Cell) {
	s.t.Helper()
	for _, cell := range wrong[:min(len(wrong), 10)] {
		s.t.Errorf("%s: %s is %s, expected %s: %s", when, cell.Flow, cell.Got, cell.Expected, cell.Why)
	}
	s.t.Errorf("%s: %d wrong in all; before that: %s", when, len(wrong), s.story())
	s.logEvidence()
}

func (s *soak) killAgent(ctx context.Context, node string) error {
	if err := s.KillAgent(ctx, node, syscall.SIGKILL); err != nil {
		return err
	}
	return s.StartAgent(ctx, node)
}

func (s *soak) killDuringChange(ctx context.Context, node string) error {
	if err := s.changePolicy(); err != nil {
		return err
	}
	return s.killAgent(ctx, node)
}

func (s *soak) deleteRoute(ctx context.Context, node string) error {
	routes, err := s.Routes(node)
	if err != nil || len(routes) == 0 {
		return err
	}
	return s.DeleteRoute(ctx, node, routes[s.random.IntN(len(routes))].Dst)
}

func (s *soak) pullCable(ctx context.Context, node string) error {
	if err := s.LinkDown(ctx, node); err != nil {
		return err
	}
	return s.LinkUp(ctx, node)
}

func (s *soak) loseStore(ctx context.Context, _ string) error {
	if err := s.StopStore(ctx); err != nil {
		return err
	}
	return s.StartStore(ctx)
}

func (s *soak) changePolicy() error {
	s.allowed = []string{"backend", "frontend", "nobody"}[s.random.IntN(3)]
	s.history[len(s.history)-1] += ": " + s.allowed
	return s.protect()
}

// protect lets only the allowed app reach the database.
func (s *soak) protect() error {
	tcp := intstr.FromString("TCP")
	p := &v3.NetworkPolicy{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "NetworkPolicy"}, ObjectMeta: v3.ObjectMeta{Name: "protect-database", Namespace: "shop"}}
	p.Spec.Selector, p.Spec.Types = "app == 'database'", []v3.PolicyType{v3.Ingress}
	p.Spec.Ingress = []v3.Rule{{Action: v3.Allow, Protocol: &tcp, Source: &v3.EntityRule{Selector: "app == '" + s.allowed + "'"},
		Destination: &v3.EntityRule{Ports: []intstr.IntOrString{intstr.FromInt(5432)}}}}
	return s.Apply(s.t.Context(), p)
}

func (s *soak) anyApp() string {
	return []string{"frontend", "backend", "database"}[s.random.IntN(3)]
}

// most bounds the number of workloads, so that a matrix stays quick.
const most = 6

func (s *soak) add(node, app string) error {
	if len(s.running) >= most {
		return nil
	}
	s.next++
	w := lab.Workload{Node: node, Namespace: "shop", Name: fmt.Sprintf("%s%d", app, s.next), Labels: map[string]string{"app": app}}
	_, err := s.AddWorkload(s.t.Context(), w)
	if err == nil {
		s.running[w.Key()] = app
	}
	return err
}

func (s *soak) detachOne(ctx context.Context) error {
	if len(s.running) <= 2 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(s.running))
	key := keys[s.random.IntN(len(keys))]
	s.history[len(s.history)-1] += ": " + key
	delete(s.running, key)
	return s.DeleteWorkload(ctx, key)
}

func (s *soak) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// end removes the lab and compares the machine with what it was.
func (s *soak) end(before lab.Inventory) {
	if s.t.Failed() {
		s.t.Log(s.LogEnds())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Down(ctx); err != nil {
		s.t.Errorf("lab down: %v", err)
	}
	after, err := lab.TakeInventory(labName())
	if err != nil {
		s.t.Error(err)
	}
	for _, left := range after.Since(before) {
		s.t.Errorf("left behind: %s", left)
	}
}

// logEvidence tells what the datastore and the agents hold right after a wrong verdict.
func (s *soak) logEvidence() {
	data, err := s.Store()
	if err != nil {
		s.t.Log(err)
		return
	}
	for _, resource := range []api.Resource{api.WorkloadEndpoints, api.NetworkPolicies} {
		list, err := data.List(s.t.Context(), resource, "")
		if err != nil {
			s.t.Log(err)
			return
		}
		for _, obj := range list.Items {
			text, err := json.Marshal(obj)
			s.t.Logf("datastore: %s %v", text, err)
		}
	}
	for _, node := range s.Nodes() {
		for _, name := range []string{"endpoints", "rules", "members"} {
			table, err := s.Agent(node).Table(s.t.Context(), name)
			s.t.Logf("agent %s: %s: %v %v", node, name, table.Rows, err)
		}
		var kernel bytes.Buffer
		err := s.Exec(s.t.Context(), node, []string{"nft", "list", "table", "inet", own.NFTable}, proc.IO{Out: &kernel, Err: &kernel})
		s.t.Logf("kernel of %s: %v\n%s", node, err, &kernel)
	}
}
