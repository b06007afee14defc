// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// differences counts what a full reconcile would change in the kernel.
func differences(t testing.TB, d *Driver, view desired.View) int {
	t.Helper()
	l := newLedger(view, d.options)
	if err := l.putView(d.closed(view), d.failed); err != nil {
		t.Fatal(err)
	}
	whole, err := l.finish()
	if err != nil {
		t.Fatal(err)
	}
	h, err := readTable(d.conn)
	if err != nil {
		t.Fatal(err)
	}
	change, err := diff(d.conn, whole, h)
	if err != nil {
		t.Fatal(err)
	}
	if change.count > 0 {
		t.Logf("the kernel differs: %+v", change)
	}
	return change.count
}

func TestFirstApplyProgramsAll(t *testing.T) {
	d := newDriver(t, newNS(t))
	view := sample(t)
	r := apply(t, d, view, nil)
	if len(r.Programmed) != 7 || len(r.Failed) != 0 || r.Repaired != 0 {
		t.Errorf("report %+v; want 7 endpoints programmed", r)
	}
	// What the kernel gives back is byte for byte what was sent.
	if n := differences(t, d, view); n != 0 {
		t.Errorf("%d differences after the first apply", n)
	}
}

func TestRestartChangesNothing(t *testing.T) {
	ns, view := newNS(t), sample(t)
	apply(t, newDriver(t, ns), view, nil)
	before := nftTool(t, ns, "-a", "list", "ruleset")
	r := apply(t, newDriver(t, ns), view, nil)
	if len(r.Programmed) != 7 {
		t.Errorf("report %+v after a restart", r)
	}
	if after := nftTool(t, ns, "-a", "list", "ruleset"); after != before {
		t.Errorf("a restart changed the table; handles tell:\n%s", after)
	}
}

func TestRemoveLeavesNoTrace(t *testing.T) {
	ns := newNS(t)
	nftTool(t, ns, "add table inet other")
	before := nftTool(t, ns, "list", "ruleset")
	d := newDriver(t, ns)
	apply(t, d, sample(t), nil)
	for range 2 { // again: nothing there is no error
		if err := d.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := nftTool(t, ns, "list", "ruleset"); after != before {
			t.Errorf("left behind:\n%s", after)
		}
	}
	apply(t, d, sample(t), nil)
}

func TestProbe(t *testing.T) {
	ns := newNS(t)
	d := newDriver(t, ns)
	caps, err := d.Probe(t.Context())
	if err != nil || !caps.Usable {
		t.Errorf("probe: %+v, %v", caps, err)
	}
	if rest := nftTool(t, ns, "list", "ruleset"); strings.TrimSpace(rest) != "" {
		t.Errorf("probe left behind %s", rest)
	}
}

// TestPassingPolicyChanges: the rules of a policy that can pass are part of its tiers' chains, and change with it.
func TestPassingPolicyChanges(t *testing.T) {
	state := func(port uint16) *desired.State {
		var b build
		gate := b.Policy(np("gate"), []rule.Rule{{Action: rule.Pass, Match: rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(port)}}}}, nil)
		b.Endpoint("cali1", []desired.TierPolicies{tier("security", rule.Deny, gate)}, nil, "10.0.0.1")
		return b.State(t)
	}
	d := newDriver(t, newNS(t))
	old, now := state(80), state(81)
	apply(t, d, old, nil)
	apply(t, d, now, desired.Diff(old, now))
	if n := differences(t, d, now); n != 0 {
		t.Errorf("%d differences", n)
	}
}

// TestCountersGoOn: rules that a change leaves alone keep their handles, and with them their counters.
func TestCountersGoOn(t *testing.T) {
	state := func(port uint16) *desired.State {
		var b build
		p := b.Policy(np("p"), []rule.Rule{
			allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(1)}}),
			allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(port)}}),
			allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(3)}}),
		}, nil)
		b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, p)}, nil, "10.0.0.1")
		return b.State(t)
	}
	d := openDriver(t, newNS(t), Options{Plain: true})
	old, now := state(80), state(81)
	apply(t, d, old, nil)
	handles := func() []uint64 {
		rules, err := d.conn.Rules(tableName, policyChain(np("p"), roleIn, ipv4))
		if err != nil || len(rules) != 3 {
			t.Fatalf("rules %v, %v", rules, err)
		}
		return []uint64{rules[0].Handle, rules[1].Handle, rules[2].Handle}
	}
	before := handles()
	apply(t, d, now, desired.Diff(old, now))
	after := handles()
	if before[0] != after[0] || before[1] == after[1] || before[2] != after[2] {
		t.Errorf("handles %v became %v; want the middle one replaced", before, after)
	}
}

// TestCountersOfLookups: rules that share a look-up are counted one by one, and a change of one leaves the counters of the others alone.
func TestCountersOfLookups(t *testing.T) {
	p := newPath(t)
	d := newDriver(t, p.router)
	state := func(port uint16) *desired.State {
		var b build
		rules := []rule.Rule{
			{ID: "one", Action: rule.Allow, Match: rule.Match{Protocol: 17, Dst: rule.Side{Ports: ports(1)}}},
			{ID: "two", Action: rule.Deny, Match: rule.Match{Protocol: 17, Dst: rule.Side{Ports: ports(1, 2)}}},
			{ID: rule.ID(fmt.Sprint("to", port)), Action: rule.Allow, Match: rule.Match{Protocol: 17, Dst: rule.Side{Ports: ports(port)}}},
		}
		open := b.Policy(profile("open"), nil, []rule.Rule{allow(rule.Match{})})
		b.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.65.0.1")
		b.Endpoint("cali2", []desired.TierPolicies{tier("default", rule.Deny, b.Policy(np("p"), rules, nil))}, nil, "10.65.0.2").Tiers[rule.Egress] = nil
		return b.State(t)
	}
	old, now := state(3), state(4)
	apply(t, d, old, nil)
	p.sendTo(t, d, "1", "2", "2", "3")
	apply(t, d, now, desired.Diff(old, now))
	hits := p.sendTo(t, d, "4")
	if hits["one"] != 1 || hits["two"] != 2 || hits["to3"] != 0 || hits["to4"] != 1 {
		t.Errorf("hits %v; want one 1, two 2, to4 1", hits)
	}
}

// sendTo sends a datagram from one workload to ports of the other, one after the other. It waits until one of the receiver's rules, of
// which the IDs are names, has counted each, and returns the counters. Those of the sender count what its kernel says of itself, too.
func (p *path) sendTo(t *testing.T, d *Driver, ports ...string) map[rule.ID]uint64 {
	t.Helper()
	count := func() (hits map[rule.ID]uint64, n uint64) {
		hits, err := d.Hits()
		check(t, err)
		for id, packets := range hits {
			if !strings.HasPrefix(string(id), "0") {
				n += packets
			}
		}
		return hits, n
	}
	hits, before := count()
	for _, port := range ports {
		check(t, send(p.a, "10.65.0.2:"+port))
		now := before
		for deadline := time.Now().Add(5 * time.Second); now == before; hits, now = count() {
			if time.Now().After(deadline) {
				t.Fatalf("no rule has counted the packet to port %s: %v", port, hits)
			}
		}
		before = now
	}
	return hits
}

func TestReadBackConfirms(t *testing.T) {
	e := &endpoint{iface: "cali1", routes: []route{{ingressMap(ipv4), "ep/in4/1"}}}
	for name, c := range map[string]struct {
		held map[string]nft.Verdict
		ok   bool
	}{
		"as written":    {map[string]nft.Verdict{string(ifname("cali1")): *verdictTo(nft.VerdictJump, "ep/in4/1")}, true},
		"another chain": {map[string]nft.Verdict{string(ifname("cali1")): *verdictTo(nft.VerdictJump, "ep/in4/2")}, false},
		"no dispatch":   {nil, false},
	} {
		kernel := kernelView{verdicts: func(*nft.Set, string) (map[string]nft.Verdict, error) { return c.held, nil }}
		err := (&ledger{}).confirm(e, kernel)
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "cali1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
