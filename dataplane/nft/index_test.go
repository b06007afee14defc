// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// crowd is a tier of n policies, each for the hosts of a set of its own.
func crowd(t testing.TB, n int) *desired.State {
	t.Helper()
	var b build
	var ids []rule.PolicyID
	for i := range n {
		set := b.Set(fmt.Sprintf("s%d", i), fmt.Sprintf("10.1.0.%d", i+1))
		ids = append(ids, b.Policy(np(fmt.Sprintf("p%d", i)), []rule.Rule{allow(rule.Match{Src: rule.Side{Sets: []rule.Set{set}}})}, nil))
	}
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, ids...)}, nil, "10.65.0.1")
	return b.State(t)
}

// keyedIn is the number of policies that the IPv4 index of a crowd keeps apart by peer, -1 without an index.
func keyedIn(d *Driver) int {
	if x := d.ledger.peers[d.ledger.indexOf(ipv4)]; x != nil {
		return len(x.keyed)
	}
	return -1
}

func TestFewPoliciesAreNotIndexed(t *testing.T) {
	for n, want := range map[int]int{indexFrom - 1: -1, indexFrom: indexFrom} {
		d := newDriver(t, newNS(t))
		apply(t, d, crowd(t, n), nil)
		if got := keyedIn(d); got != want {
			t.Errorf("%d policies: %d in the index; want %d", n, got, want)
		}
	}
}

// TestIndexBudget: a set that grows large, or gets a prefix, leaves the index, and comes back.
func TestIndexBudget(t *testing.T) {
	const n = 6
	d, view := newDriver(t, newNS(t)), crowd(t, n)
	apply(t, d, view, nil)
	change := func(what string, c desired.IPSetChange, want int) {
		t.Helper()
		delta := &desired.Delta{IPSets: []desired.IPSetChange{c}}
		if err := view.Apply(delta); err != nil {
			t.Fatal(err)
		}
		ledger := d.ledger
		apply(t, d, view, delta)
		if d.ledger != ledger {
			t.Errorf("%s: not applied as a delta", what)
		}
		if got := keyedIn(d); got != want {
			t.Errorf("%s: %d policies in the index; want %d", what, got, want)
		}
		if n := differences(t, d, view); n != 0 {
			t.Errorf("%s: %d differences", what, n)
		}
	}
	var many []desired.Member
	for i := range indexBudget + n*indexShare {
		many = append(many, host(i))
	}
	net := []desired.Member{{Prefix: prefix("192.0.2.0/24")}}
	change("one more", desired.IPSetChange{ID: "s1", Added: many[:1]}, n)
	room := many[:indexBudget] // rounded up to a power of two, more than there is without the policies' share
	change("as many as policies make room for", desired.IPSetChange{ID: "s4", Added: room}, n)
	change("without them", desired.IPSetChange{ID: "s4", Removed: room}, n)
	change("very many", desired.IPSetChange{ID: "s2", Added: many}, n-1)
	change("a prefix", desired.IPSetChange{ID: "s3", Added: net}, n-2)
	change("few again", desired.IPSetChange{ID: "s2", Removed: many}, n-1)
	change("no prefix", desired.IPSetChange{ID: "s3", Removed: net}, n)
	change("empty", desired.IPSetChange{ID: "s1", Removed: append(many[:1:1], drivertest.ParseMember("10.1.0.2"))}, n)
}

// TestManyCombinations: peers in random combinations of sets keep the chains within bounds, and each is led to all policies that concern it,
// in their order; steps by deltas end where programming from nothing does.
func TestManyCombinations(t *testing.T) {
	const n, peers = 14, 400
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	d, view := newDriver(t, newNS(t)), crowd(t, n)
	apply(t, d, view, nil)
	levels := map[int]bool{}
	for range 25 {
		delta := &desired.Delta{}
		calm := rnd.IntN(3) == 0              // few combinations, so that the level goes down again
		stay := rnd.IntN(peers) * rnd.IntN(2) // these peers stay as they are
		for i := range n {
			set, _ := view.IPSet(rule.SetID(fmt.Sprintf("s%d", i)))
			now := &desired.IPSet{ID: set.ID, Members: map[desired.Member]struct{}{}}
			for j := range peers {
				_, had := set.Members[host(j)]
				if j < stay && had || j >= stay && (calm && j%n == i || !calm && rnd.IntN(3) == 0) {
					now.Members[host(j)] = struct{}{}
				}
			}
			if c := desired.DiffSets(set, now); c != nil {
				delta.IPSets = append(delta.IPSets, *c)
			}
		}
		if err := view.Apply(delta); err != nil {
			t.Fatal(err)
		}
		ledger := d.ledger
		apply(t, d, view, delta)
		if d.ledger != ledger {
			t.Fatalf("seed %d: not applied as a delta", seed)
		}
		x := d.ledger.peers[d.ledger.indexOf(ipv4)]
		levels[x.level] = true
		if len(x.uses) > indexChains {
			t.Fatalf("seed %d: %d chains", seed, len(x.uses))
		}
		for peer, combo := range x.peers {
			checkCandidates(t, view, peer, d.ledger.chains[combo.chain].spec.tiers[0].Policies)
		}
		if n := differences(t, d, view); n != 0 {
			t.Fatalf("seed %d: %d differences", seed, n)
		}
	}
	if len(levels) < 2 {
		t.Errorf("levels seen: %v; want several", levels)
	}
}

func (l *ledger) indexOf(f *family) string {
	for name, x := range l.peers {
		if x.spec.fam == f && x.spec.role == roleIn {
			return name
		}
	}
	return ""
}

// checkCandidates compares a chain's policies with those of the crowd whose sets hold the peer.
func checkCandidates(t *testing.T, view desired.View, peer netip.Addr, got []rule.PolicyID) {
	t.Helper()
	at := -1
	for p := range view.Policies() {
		var i int
		if _, err := fmt.Sscanf(p.ID.Name, "p%d", &i); err != nil {
			t.Fatal(err)
		}
		set, _ := view.IPSet(rule.SetID(fmt.Sprintf("s%d", i)))
		if _, holds := set.Members[desired.Member{Prefix: desired.HostPrefix(peer)}]; holds && !slices.Contains(got, p.ID) {
			t.Fatalf("%v is led past %v", peer, p.ID)
		}
	}
	for _, id := range got {
		var i int
		if _, err := fmt.Sscanf(id.Name, "p%d", &i); err != nil || i <= at {
			t.Fatalf("policies out of order: %v", got)
		}
		at = i
	}
}
