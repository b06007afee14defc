// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// isolated lets nothing into any workload of the shop and nothing out.
func isolated() *v3.NetworkPolicy {
	p := &v3.NetworkPolicy{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "NetworkPolicy"}, ObjectMeta: metav1.ObjectMeta{Name: "isolated", Namespace: "shop"}}
	p.Spec.Types = []v3.PolicyType{v3.Ingress, v3.Egress}
	return p
}

// letIn is the protect-database policy with a list of apps that may connect, by TCP and UDP.
func letIn(apps ...string) *v3.NetworkPolicy {
	p := protectDatabase()
	p.Spec.Ingress = nil
	for _, app := range apps {
		tcp, udp := allowTo("app == '"+app+"'", servicePort), allowTo("app == '"+app+"'", servicePort)
		protocol := intstr.FromString("UDP")
		udp.Protocol = &protocol
		p.Spec.Ingress = append(p.Spec.Ingress, tcp, udp)
	}
	return p
}

// shop adds two of each app, so that there is a pair on one host and a pair across hosts for every relation.
func (c *cluster) shop() {
	c.t.Helper()
	c.add("n1", "database", "database")
	for _, app := range []string{"frontend", "backend"} {
		c.add("n1", app+"-near", app)
		c.add("n2", app+"-far", app)
	}
	c.apply(protectDatabase())
	c.converge()
}

// usual is the traffic of the shop: connections of the backends and pings past the policy go on, frontends are kept out.
func usual(tr *traffic) {
	for _, where := range []string{"near", "far"} {
		tr.stream("shop/backend-"+where, "shop/database")
		tr.connects("shop/backend-"+where, "shop/database")
		tr.ping("shop/backend-"+where, "shop/frontend-near")
		tr.denied("shop/frontend-"+where, "shop/database")
	}
}

// crash kills the agent of a node and starts it again.
func (c *cluster) crash(node string) {
	c.t.Helper()
	if err := c.KillAgent(c.t.Context(), node, syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
	if err := c.StartAgent(c.t.Context(), node); err != nil {
		c.t.Fatal(err)
	}
}

// TestTrafficThroughKills kills agents with -9 at random moments, in the midst of policy changes and attachments.
func TestTrafficThroughKills(t *testing.T) {
	c := up(t, "tkill", 2)
	c.shop()
	c.during("kills", usual, func() {
		for i := range rounds(15, 150) {
			node := c.Nodes()[i%2]
			c.killDuringChange(node, i)
			c.killDuringADD(node, fmt.Sprintf("extra%d", i))
		}
		c.converge()
	})
	c.intact("n1", "n2")
}

// killDuringChange changes a policy, which goes on letting backends in, and kills the agent a random moment later.
func (c *cluster) killDuringChange(node string, i int) {
	c.t.Helper()
	c.apply(letIn([][]string{{"backend", "courier"}, {"backend"}}[i%2]...))
	time.Sleep(rand.N(15 * time.Millisecond)) // some moment of the change; all of them must be survived
	c.crash(node)
}

// killDuringADD attaches a workload, kills the agent a random moment later, and does what a runtime does then.
func (c *cluster) killDuringADD(node, name string) {
	c.t.Helper()
	c.interruptADD(node, name, func() { time.Sleep(rand.N(40 * time.Millisecond)) })
}

// interruptADD attaches a workload, crashes the agent once moment returns, and sees to it that the workload can be had and detached.
func (c *cluster) interruptADD(node, name string, moment func()) {
	c.t.Helper()
	w := lab.Workload{Node: node, Namespace: "shop", Name: name, Labels: map[string]string{"app": "extra"}}
	added := make(chan error, 1)
	go func() {
		_, err := c.AddWorkload(c.t.Context(), w)
		added <- err
	}()
	moment()
	err := c.KillAgent(c.t.Context(), node, syscall.SIGKILL)
	failed := <-added
	if err := errors.Join(err, c.StartAgent(c.t.Context(), node)); err != nil {
		c.t.Fatal(err)
	}
	if failed != nil {
		if err := c.DeleteWorkload(c.t.Context(), w.Key()); err != nil && !errors.Is(err, lab.ErrNotFound) {
			c.t.Fatalf("DEL after the kill: %v", err)
		}
		if _, err := c.AddWorkload(c.t.Context(), w); err != nil {
			c.t.Fatalf("ADD again after the kill: %v", err)
		}
	}
	if err := c.DeleteWorkload(c.t.Context(), w.Key()); err != nil {
		c.t.Fatalf("DEL of what was attached across a kill: %v", err)
	}
}

// TestKilledBetweenPolicyAndRoutes kills the agent the moment the kernel tells of the new workload's rules, which is before its routes.
func TestKilledBetweenPolicyAndRoutes(t *testing.T) {
	c := up(t, "between", 2)
	c.shop()
	hits := 0
	c.during("kills between policy and routes", usual, func() {
		for i := range rounds(10, 80) {
			name := fmt.Sprintf("extra%d", i)
			pid := c.pid("n1")
			rules := c.nextRules("n1")
			c.interruptADD("n1", name, func() {
				if err := <-rules; err != nil {
					c.t.Error(err)
				}
				_ = syscall.Kill(pid, syscall.SIGKILL) // at once; KillAgent then waits for the end
				if !c.hasWorkloadRoutes("n1", 3) {
					hits++
				}
			})
		}
		c.converge()
	})
	t.Logf("%d of %d kills hit the gap", hits, rounds(10, 80))
	c.intact("n1")
}

func (c *cluster) pid(node string) int {
	c.t.Helper()
	s, err := c.Status(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range s.Nodes {
		if n.Name == node {
			return n.Process.PID
		}
	}
	c.t.Fatalf("no node %s", node)
	return 0
}

// nextRules delivers when the policy table of a node changes for the next time.
func (c *cluster) nextRules(node string) <-chan error {
	c.t.Helper()
	ns, err := c.Namespace(node)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	var watch *nft.Watch
	err = ns.Do(func() error {
		conn, err := nft.Open()
		if err != nil {
			return err
		}
		watch, err = nft.OpenWatch(own.NFTable, conn)
		return errors.Join(err, conn.Close())
	})
	if err != nil {
		c.t.Fatal(err)
	}
	changed := make(chan error, 1)
	go func() {
		err := watch.Next()
		changed <- err
		_ = watch.Close()
	}()
	return changed
}

// hasWorkloadRoutes says whether a node has routes for more than n local workloads.
func (c *cluster) hasWorkloadRoutes(node string, n int) bool {
	routes, err := c.Routes(node)
	if err != nil {
		c.t.Error(err)
	}
	hosts := 0
	for _, r := range routes {
		if r.Type == netlink.RouteUnicast && r.Dst.IsSingleIP() && r.Protocol == own.RouteProtocol {
			hosts++
		}
	}
	return hosts > 2*n
}

// intact checks that the kernel holds what a reconcile from nothing makes of it, that the agent agrees, and that packets do.
func (c *cluster) intact(nodes ...string) {
	c.t.Helper()
	c.converge()
	for _, node := range nodes {
		policy, routes := c.ruleset(node), c.routeList(node)
		if err := c.KillAgent(c.t.Context(), node, syscall.SIGKILL); err != nil {
			c.t.Fatal(err)
		}
		if err := c.DeleteTable(c.t.Context(), node); err != nil {
			c.t.Fatal(err)
		}
		if err := c.StartAgent(c.t.Context(), node); err != nil {
			c.t.Fatal(err)
		}
		c.converge()
		c.eventually("rules of "+node+" as made afresh", func() error { return same(policy, c.ruleset(node)) })
		c.eventually("routes of "+node+" as before", func() error { return same(routes, c.routeList(node)) })
		s, err := c.status(node)
		if err != nil {
			c.t.Fatal(err)
		}
		if s.Dataplane.State != "programmed" || s.Routes.State != "programmed" || s.Routes.Repaired != 0 {
			c.t.Errorf("%s: %+v %+v; want both programmed and no route to repair", node, s.Dataplane, s.Routes)
		}
	}
	workloads, err := c.Workloads()
	if err != nil {
		c.t.Fatal(err)
	}
	var members []string
	for _, w := range workloads {
		members = append(members, w.Key())
	}
	m, err := c.Matrix(c.t.Context(), members, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cell := range m.Mismatches() {
		c.t.Errorf("in the end: %s is %s, expected %s: %s", cell.Flow, cell.Got, cell.Expected, cell.Why)
	}
}

func same(want, got []string) error {
	for _, l := range want {
		if !slices.Contains(got, l) {
			return fmt.Errorf("only before: %s", l)
		}
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			return fmt.Errorf("only now: %s", l)
		}
	}
	return nil
}

var counters = regexp.MustCompile(`packets \d+ bytes \d+`)

// ruleset lists the policy table of a node without what may differ between two equal ones: counters and order.
func (c *cluster) ruleset(node string) []string {
	c.t.Helper()
	var text string
	err := c.within(node, func() error {
		out, err := exec.CommandContext(c.t.Context(), "nft", "-s", "list", "table", "inet", own.NFTable).CombinedOutput()
		text = string(out)
		return err
	})
	if err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	var lines []string
	block := ""
	for _, l := range strings.Split(counters.ReplaceAllString(text, ""), "\n") {
		l = strings.TrimSpace(l)
		if strings.HasSuffix(l, "{") && !strings.Contains(l, "=") {
			block = l
		}
		for _, word := range strings.Split(l, ",") { // sets list their elements in the order of their hash
			word = strings.Trim(strings.TrimPrefix(strings.TrimSpace(word), "elements = { "), " }")
			lines = append(lines, block+" "+word)
		}
	}
	slices.Sort(lines)
	return lines
}

// routeList lists weft's routes of a node.
func (c *cluster) routeList(node string) []string {
	c.t.Helper()
	routes, err := c.Routes(node)
	if err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for _, r := range routes {
		lines = append(lines, fmt.Sprintf("%+v", r))
	}
	slices.Sort(lines)
	return lines
}

// within runs fn in a member's namespace.
func (c *cluster) within(member string, fn func() error) error {
	ns, err := c.Namespace(member)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	return ns.Do(fn)
}
