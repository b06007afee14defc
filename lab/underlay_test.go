// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/sysctl"
)

// bare makes the network of a lab without datastore and agents.
func bare(t *testing.T, name string, spec Spec) *Lab {
	t.Helper()
	spec.Name, spec.Owned, spec.Progress = name, true, func(line string) { t.Log(line) }
	l, err := begin(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := (underlay{name, l.plan}).build(); err != nil {
		t.Fatal(err)
	}
	return l
}

// endpoint opens a member as a place to probe from and to.
func endpoint(t *testing.T, l *Lab, member string, addrs ...netip.Addr) probe.Endpoint {
	t.Helper()
	ns, err := l.Namespace(member)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return probe.Endpoint{Name: member, NS: ns, Addrs: addrs}
}

func (h hostPlan) hostAddrs() []netip.Addr {
	var out []netip.Addr
	for _, a := range h.addrs {
		out = append(out, a.Addr())
	}
	return out
}

// reachAll tries every pair until all work or some seconds have passed.
func reachAll(t *testing.T, endpoints []probe.Endpoint) {
	t.Helper()
	services := []probe.Service{{Protocol: probe.ICMP}}
	p, err := probe.Open(t.Context(), endpoints, services)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	allowed := func(probe.Flow) (probe.Verdict, string) { return probe.Allowed, "the underlay routes" }
	err = eventually(t, 10*time.Second, func() error {
		results, err := p.Run(t.Context(), probe.Pairs(endpoints, endpoints, services), nil)
		for _, c := range probe.NewMatrix(results, allowed).Mismatches() {
			err = errors.Join(err, errors.New(c.String()))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, within time.Duration, ok func() error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

func TestUnderlayRoutes(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec Spec
	}{
		{"ulone", Spec{Nodes: 2, Families: IPv4}},
		{"ultwo", Spec{Nodes: 3, Subnets: 2}},
		{"ulsix", Spec{Nodes: 2, Subnets: 2, Families: IPv6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := bare(t, tc.name, tc.spec)
			hosts := []probe.Endpoint{endpoint(t, l, External, l.plan.external.hostAddrs()...)}
			for _, n := range l.plan.nodes {
				hosts = append(hosts, endpoint(t, l, n.name, n.hostAddrs()...))
			}
			reachAll(t, hosts)
		})
	}
}

// TestToRLearnsAndRoutes lets a GoBGP on a node announce a block with an address behind it, as an agent would, and reaches that address
// from the external host, which only works when BIRD learned the block and put it into the kernel.
func TestToRLearnsAndRoutes(t *testing.T) {
	l := bare(t, "torlearn", Spec{Nodes: 2, Subnets: 2})
	if err := l.startToR(t.Context()); err != nil {
		t.Fatal(err)
	}
	node := l.plan.nodes[1]
	blocks := []netip.Prefix{netip.MustParsePrefix("10.65.1.0/26"), netip.MustParsePrefix("fd65::40/122")}
	pods := []netip.Addr{netip.MustParseAddr("10.65.1.7"), netip.MustParseAddr("fd65::47")}
	fakeWorkload(t, l, node.name, pods)
	speaker(t, l, node, blocks)
	reachAll(t, []probe.Endpoint{endpoint(t, l, External, l.plan.external.hostAddrs()...), endpoint(t, l, node.name, pods...)})
	lines, err := l.ToR(t.Context(), "show protocols")
	if err != nil || !slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "Established") }) {
		t.Errorf("no session is established: %v\n%s", err, strings.Join(lines, "\n"))
	}
}

// fakeWorkload gives a node addresses that answer, and lets it forward.
func fakeWorkload(t *testing.T, l *Lab, node string, addrs []netip.Addr) {
	t.Helper()
	ns, err := l.Namespace(node)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	nl, err := netlink.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer nl.Close()
	lo, err := nl.Link("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if err := nl.AddAddr(netlink.Addr{Link: lo.Index, Prefix: netip.PrefixFrom(a, a.BitLen()), NoDAD: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := ns.Do(func() error { return sysctl.Set("net/ipv4/ip_forward", "1") }); err != nil {
		t.Fatal(err)
	}
}

// speaker runs gobgpd on a node, with a session to the router in each family, and announces blocks.
func speaker(t *testing.T, l *Lab, node nodePlan, blocks []netip.Prefix) {
	t.Helper()
	dir := t.TempDir()
	var conf strings.Builder
	fmt.Fprintf(&conf, "[global.config]\n as = %d\n router-id = %q\n port = -1\n", NodeAS, node.addrs[0].Addr())
	for _, gw := range node.gateways {
		fmt.Fprintf(&conf, "[[neighbors]]\n [neighbors.config]\n  neighbor-address = %q\n  peer-as = %d\n"+
			" [neighbors.timers.config]\n  connect-retry = 1\n [[neighbors.afi-safis]]\n  [neighbors.afi-safis.config]\n   afi-safi-name = \"%s-unicast\"\n",
			gw.Addr(), ToRAS, channelOf(familyOf(gw.Addr())))
	}
	if err := os.WriteFile(dir+"/gobgpd.toml", []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	api := "unix://" + dir + "/api"
	p, err := l.start(t.Context(), daemon{name: "speaker", member: node.name, path: "gobgpd", args: []string{"-f", dir + "/gobgpd.toml", "--api-hosts", api, "--pprof-disable"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := waitReady(ctx, "speaker", p, func() error { return dialUnix(ctx, dir+"/api") }); err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		args := []string{"--target", api, "global", "rib", "add", b.String(), "nexthop", node.addrs[i].Addr().String(), "-a", channelOf(familyOf(b.Addr()))}
		if out, err := proc.Output(ctx, proc.Spec{Path: "gobgp", Args: args}); err != nil {
			t.Fatalf("announce %s: %v %s", b, err, out)
		}
	}
}

func TestReflectorStarts(t *testing.T) {
	l := bare(t, "rrstart", Spec{Nodes: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := l.runReflector(ctx); err != nil {
		t.Fatal(err)
	}
	reachAll(t, []probe.Endpoint{
		endpoint(t, l, "n2", l.plan.nodes[1].hostAddrs()...), endpoint(t, l, roleReflector, l.plan.reflector.hostAddrs()...),
	})
}

func TestDownLeavesNothing(t *testing.T) {
	l := bare(t, "downall", Spec{Nodes: 2, Subnets: 2})
	if err := l.startToR(t.Context()); err != nil {
		t.Fatal(err)
	}
	started, err := l.process(roleToR)
	if err != nil {
		t.Fatal(err)
	}
	// A process that nobody wrote down, as after a crash between start and record.
	stray, err := proc.Start(proc.Spec{Path: "sleep", Args: []string{"60"}, Env: []string{markOf(l.Name())}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), l.Name()); err != nil {
		t.Fatal(err)
	}
	if started.Alive() || stray.Alive() {
		t.Errorf("alive after Down: BIRD %v, stray %v", started.Alive(), stray.Alive())
	}
	if left, err := namespacesOf(l.Name()); err != nil || len(left) != 0 {
		t.Errorf("namespaces left: %v, %v", left, err)
	}
	if _, err := os.Stat(l.Dir()); err == nil {
		t.Errorf("directory %s is left", l.Dir())
	}
	if err := Down(t.Context(), l.Name()); !errors.Is(err, ErrNotFound) {
		t.Errorf("second Down: %v, want ErrNotFound", err)
	}
	// bare's cleanup calls Down again: make that one find something.
	if _, err := netns.Create(namespace(l.Name(), "x")); err != nil {
		t.Fatal(err)
	}
}

// verdicts probes all pairs by ICMP once, with a few tries, until they are as want says.
func verdicts(t *testing.T, p *probe.Prober, endpoints []probe.Endpoint, want probe.Judge) {
	t.Helper()
	err := eventually(t, 10*time.Second, func() error {
		results, err := p.Run(t.Context(), probe.Pairs(endpoints, endpoints, []probe.Service{{Protocol: probe.ICMP}}), nil)
		for _, c := range probe.NewMatrix(results, want).Mismatches() {
			err = errors.Join(err, errors.New(c.String()))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPartitionAndCables(t *testing.T) {
	l := bare(t, "cables", Spec{Nodes: 4, Subnets: 2})
	endpoints := []probe.Endpoint{endpoint(t, l, External, l.plan.external.hostAddrs()...)}
	for _, n := range l.plan.nodes {
		endpoints = append(endpoints, endpoint(t, l, n.name, n.hostAddrs()...))
	}
	p, err := probe.Open(t.Context(), endpoints, []probe.Service{{Protocol: probe.ICMP}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	all := func(probe.Flow) (probe.Verdict, string) { return probe.Allowed, "everything is connected" }
	verdicts(t, p, endpoints, all)

	// n1 and n3 (of different subnets) against n2 and n4: cuts within a subnet and between subnets.
	if err := l.Partition(t.Context(), []string{"n1", "n3"}, []string{"n2", "n4"}); err != nil {
		t.Fatal(err)
	}
	side := map[string]int{"n1": 1, "n3": 1, "n2": 2, "n4": 2}
	verdicts(t, p, endpoints, func(f probe.Flow) (probe.Verdict, string) {
		if side[f.Src] != 0 && side[f.Dst] != 0 && side[f.Src] != side[f.Dst] {
			return probe.Denied, "partition"
		}
		return probe.Allowed, "same side"
	})
	if err := l.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	verdicts(t, p, endpoints, all)

	if err := l.LinkDown(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	verdicts(t, p, endpoints, func(f probe.Flow) (probe.Verdict, string) {
		if f.Src == "n2" || f.Dst == "n2" {
			return probe.Denied, "no cable"
		}
		return probe.Allowed, "others are not affected"
	})
	if err := l.LinkUp(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	verdicts(t, p, endpoints, all)
	if err := l.LinkDown(t.Context(), "n9"); !errors.Is(err, ErrNotFound) {
		t.Errorf("cable of a node that does not exist: %v", err)
	}
}

// TestSweepRemovesOrphansOnly lets another process own a lab and die.
func TestSweepRemovesOrphansOnly(t *testing.T) {
	before, err := TakeInventory("orphan")
	if err != nil {
		t.Fatal(err)
	}
	mine := bare(t, "mine", Spec{Nodes: 1})
	orphan := bare(t, "orphan", Spec{Nodes: 1})
	owner, err := proc.Start(proc.Spec{Path: "sleep", Args: []string{"60"}})
	if err != nil {
		t.Fatal(err)
	}
	err = orphan.update(t.Context(), func(s *state) error { s.Owner = &owner.ID; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := begin(t.Context(), Spec{Name: "orphan", Nodes: 1}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second lab of one name, whose owner lives: %v, want ErrExist", err)
	}
	if err := owner.Kill(); err != nil {
		t.Fatal(err)
	}
	swept, err := Sweep(t.Context())
	if err != nil || !slices.Contains(swept, "orphan") || slices.Contains(swept, "mine") {
		t.Fatalf("swept %v, %v", swept, err)
	}
	after, err := TakeInventory("orphan")
	if err != nil || len(after.Since(before)) != 0 {
		t.Errorf("left: %v, %v", after.Since(before), err)
	}
	if _, err := mine.Namespace("n1"); err != nil {
		t.Errorf("the lab of a living owner was swept too: %v", err)
	}
	// Its name is free again; bare's cleanup removes this one.
	if _, err := begin(t.Context(), Spec{Name: "orphan", Nodes: 1}); err != nil {
		t.Error(err)
	}
}
