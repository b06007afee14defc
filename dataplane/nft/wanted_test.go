// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// TestStagedSets follows sets that staged and enforced policies share, by deltas: the kernel is given those of enforced ones, with the members of
// the moment.
func TestStagedSets(t *testing.T) {
	staged := func(name string) rule.PolicyID {
		return rule.PolicyID{Kind: rule.KindStagedNetworkPolicy, Namespace: "default", Name: name}
	}
	state := func(set string, members []string, policies ...rule.PolicyID) *desired.State {
		var b build
		from := b.Set(set, members...)
		for _, id := range policies {
			b.Policy(id, []rule.Rule{{ID: rule.ID(id.Name), Action: rule.Allow, Match: rule.Match{Src: rule.Side{Sets: []rule.Set{from}}}}}, nil)
		}
		b.Endpoint("cali1", nil, nil, "10.65.0.1")
		for _, id := range policies {
			if !id.Kind.Staged() {
				b.Delta.Endpoints[0].Tiers[rule.Ingress] = []desired.TierPolicies{tier("default", rule.Deny, id)}
			}
		}
		return b.State(t)
	}
	one, two := []string{"10.0.0.1"}, []string{"10.0.0.1", "10.0.0.2", "10.9.0.0/16"}
	d := newDriver(t, newNS(t))
	var old *desired.State
	for _, step := range []struct {
		what string
		now  *desired.State
		want string // members of the set in the kernel
	}{
		{"staged", state("s", one, staged("a")), ""},
		{"a member more", state("s", two, staged("a")), ""},
		{"enforced", state("s", two, staged("a"), np("a")), "10.0.0.1 10.0.0.2 10.9.0.0"},
		{"a member less", state("s", one, staged("a"), np("a")), "10.0.0.1"},
		{"enforced by two", state("s", one, np("a"), np("b")), "10.0.0.1"},
		{"staged again", state("s", two, staged("a")), ""},
		{"enforced, with a change of members", state("s", one, np("a")), "10.0.0.1"},
		{"another set", state("t", one, np("a")), "10.0.0.1"},
		{"gone", state("t", one), ""},
	} {
		var delta *desired.Delta
		if old != nil {
			delta = desired.Diff(old, step.now)
		}
		ledger := d.ledger
		apply(t, d, step.now, delta)
		if old != nil && d.ledger != ledger {
			t.Errorf("%s: not applied as a delta", step.what)
		}
		if got := kernelMembers(t, d); got != step.want {
			t.Errorf("%s: the kernel's sets have %q; want %q", step.what, got, step.want)
		}
		if n := differences(t, d, step.now); n != 0 {
			t.Errorf("%s: %d differences", step.what, n)
		}
		old = step.now
	}
}

// TestTunnelPeersGo: the one set that no policy wants goes when the view has it no more.
func TestTunnelPeersGo(t *testing.T) {
	state := func(guarded bool) *desired.State {
		var b build
		settings := *desired.DefaultSettings()
		if guarded {
			settings.Tunnels.VXLANPort, settings.Tunnels.VXLANPeers = 4789, b.Set(string(desired.TunnelPeers), "192.0.2.1").ID
		}
		b.Delta.Settings = &settings
		return b.State(t)
	}
	d := newDriver(t, newNS(t))
	guarded, open := state(true), state(false)
	apply(t, d, guarded, nil)
	if got := kernelMembers(t, d); got != "192.0.2.1" {
		t.Errorf("the kernel's sets have %q; want the peer", got)
	}
	ledger := d.ledger
	apply(t, d, open, desired.Diff(guarded, open))
	if n := differences(t, d, open); n != 0 || d.ledger != ledger {
		t.Errorf("%d differences; applied as a delta: %t", n, d.ledger == ledger)
	}
}

// kernelMembers lists the first addresses of all members of IPv4 sets in the kernel.
func kernelMembers(t *testing.T, d *Driver) string {
	t.Helper()
	var out []string
	sets, err := d.conn.Sets(tableName)
	check(t, err)
	for _, s := range sets {
		_, id, _ := strings.Cut(s.Name, "/")
		for _, set := range []*nft.Set{hostSetOf(rule.SetID(id), ipv4), netSetOf(rule.SetID(id), ipv4)} {
			if set.Name != s.Name {
				continue
			}
			keys, err := d.conn.Keys(tableName, set)
			check(t, err)
			for k := range slices.Chunk(keys, set.Width()) {
				out = append(out, show(ipv4.addr, k[:4]))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
