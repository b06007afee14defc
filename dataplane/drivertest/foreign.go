// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// tool runs a program in the router's namespace and returns what it writes.
func (n *Net) tool(t *testing.T, words ...string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Spec{Path: words[0], Args: words[1:], NS: n.Router})
	must(t, err)
	return string(out)
}

// wreck deletes all rules of all packet filters.
func (n *Net) wreck(t *testing.T) {
	t.Helper()
	n.tool(t, "nft", "flush ruleset")
	for _, program := range []string{"iptables-legacy", "ip6tables-legacy"} {
		for _, table := range []string{"raw", "mangle", "filter"} {
			n.tool(t, program, "-w", "-t", table, "-F")
		}
	}
}

// damage: when someone deletes what is ours, the driver says so, and the next full Apply puts it back and counts it.
func damage(t *testing.T, open Open) {
	b := newBench(t, open, false)
	closed := world(t, rule.Deny, 1, 2)
	must(t, b.program(t, nil, closed))
	p := eval.Packet{Src: WorkloadAddr(1, false), Dst: WorkloadAddr(2, false), Protocol: protoUDP, SrcPort: 1, DstPort: 1}
	comesOut := func(when, want string) {
		t.Helper()
		p.SrcPort++
		b.expect(t, when, pod1, p, want)
	}
	comesOut("before the damage", "")
	b.wreck(t)
	comesOut("after the damage", pod2)
	select {
	case <-b.driver.Events():
	case <-time.After(30 * time.Second):
		t.Error("no event for the damage")
	}
	for _, repaired := range []bool{true, false} {
		r, err := b.driver.Apply(t.Context(), closed, nil)
		must(t, err)
		if (r.Repaired > 0) != repaired {
			t.Errorf("repaired %d foreign changes; want some: %v", r.Repaired, repaired)
		}
		comesOut("after the repair", "")
	}
}

// removed: Remove takes away all that is ours, and nothing else.
func removed(t *testing.T, open Open) {
	b := newBench(t, open, false)
	b.foreign(t, false)
	for _, program := range []string{"iptables-legacy", "ip6tables-legacy"} {
		b.tool(t, program, "-w", "-A", "FORWARD", "-p", "udp", "--dport", "65000", "-j", "DROP")
	}
	before := b.tool(t, "nft", "list", "table", "inet", "drivertest")
	g := newGenerator(1, false)
	for range 3 {
		must(t, b.program(t, nil, g.state(t)))
	}
	must(t, b.driver.Remove(t.Context()))
	if after := b.tool(t, "nft", "list", "table", "inet", "drivertest"); after != before {
		t.Errorf("the table of someone else was\n%s\nand is\n%s", before, after)
	}
	for _, words := range [][]string{{"nft", "list", "ruleset"}, {"iptables-legacy-save"}, {"ip6tables-legacy-save"}, {"ipset", "list", "-n"}} {
		for line := range strings.Lines(b.tool(t, words...)) {
			if strings.Contains(line, own.SetPrefix) {
				t.Errorf("%s still has %s", words[0], strings.TrimSpace(line))
			}
		}
	}
	for _, program := range []string{"iptables-legacy-save", "ip6tables-legacy-save"} {
		if text := b.tool(t, program); strings.Count(text, "65000") != 1 {
			t.Errorf("%s: the rule of someone else is not there any more:\n%s", program, text)
		}
	}
}
