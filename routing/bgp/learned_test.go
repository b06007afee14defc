// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp_test

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/routing/bgp"
)

var (
	dst    = netip.MustParsePrefix("10.65.0.0/26")
	other  = netip.MustParsePrefix("10.65.1.0/26")
	peer1  = netip.MustParseAddr("172.30.1.1")
	peer2  = netip.MustParseAddr("172.30.1.2")
	hop1   = netip.MustParseAddr("172.30.1.11")
	hop2   = netip.MustParseAddr("172.30.1.12")
	nobody = netip.MustParseAddr("172.30.1.99")
)

func signalled(l *bgp.Learned) bool {
	select {
	case <-l.Changed():
		return true
	default:
		return false
	}
}

func hops(u bgp.Update, dst netip.Prefix) []netip.Addr { return u.Paths[dst].NextHops }

func TestLearnedCoalesces(t *testing.T) {
	l := bgp.NewLearned()
	l.Announce(dst, peer2, hop2)
	l.Announce(dst, peer1, hop1)
	l.Announce(other, peer1, hop1)
	l.Withdraw(other, peer1)
	if !signalled(l) {
		t.Fatal("not signalled")
	}
	u := l.Take()
	if len(u.Paths) != 2 || !slices.Equal(hops(u, dst), []netip.Addr{hop1, hop2}) || len(hops(u, other)) != 0 || u.Complete {
		t.Errorf("first update %+v", u)
	}
	if !slices.Equal(u.Paths[dst].Peers, []netip.Addr{peer1, peer2}) {
		t.Errorf("peers %v", u.Paths[dst].Peers)
	}
	l.Announce(dst, peer1, hop1)
	l.Withdraw(dst, nobody)
	if signalled(l) || len(l.Take().Paths) != 0 {
		t.Error("nothing changed, yet there is news")
	}
	l.Announce(dst, peer1, hop2) // both by one way now
	if u := l.Take(); !slices.Equal(hops(u, dst), []netip.Addr{hop2}) {
		t.Errorf("update %+v", u)
	}
}

func TestLearnedRestart(t *testing.T) {
	l := bgp.NewLearned()
	l.Announce(dst, peer1, hop1)
	l.Announce(other, peer1, hop1)
	l.Complete()
	if u := l.Take(); !u.Complete || len(u.Paths) != 2 {
		t.Fatalf("update %+v", u)
	}
	signalled(l)
	l.Restart()
	if u := l.Take(); signalled(l) || u.Complete || len(u.Paths) != 0 {
		t.Fatalf("a restart withdraws %+v", u)
	}
	l.Announce(dst, peer2, hop2)
	if u := l.Take(); len(u.Paths) != 1 {
		t.Fatalf("update %+v", u)
	}
	l.Complete()
	u := l.Take()
	if p, ok := u.Paths[other]; !signalled(l) || !u.Complete || len(u.Paths) != 1 || !ok || len(p.NextHops) != 0 {
		t.Errorf("at the end %+v, want %s withdrawn", u, other)
	}
}

// TestLearnedAgainstReplay: whenever the taker looks, what it has put together equals all that was said, applied in order.
func TestLearnedAgainstReplay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	dsts, addrs := []netip.Prefix{dst, other, netip.MustParsePrefix("fd65::/64")}, []netip.Addr{peer1, peer2, hop1, hop2}
	l := bgp.NewLearned()
	all, taken := map[netip.Prefix]map[netip.Addr]netip.Addr{}, map[netip.Prefix][]netip.Addr{}
	for range 5000 {
		d, p, h := dsts[rng.IntN(len(dsts))], addrs[rng.IntN(2)], addrs[2+rng.IntN(2)]
		switch rng.IntN(3) {
		case 0:
			l.Announce(d, p, h)
			if all[d] == nil {
				all[d] = map[netip.Addr]netip.Addr{}
			}
			all[d][p] = h
		case 1:
			l.Withdraw(d, p)
			delete(all[d], p)
		case 2:
			for d, hops := range l.Take().NextHops() {
				taken[d] = hops
			}
			for _, d := range dsts {
				want := slices.Compact(slices.SortedFunc(maps.Values(all[d]), netip.Addr.Compare))
				if !slices.Equal(taken[d], want) {
					t.Fatalf("%s: taken %v, said %v", d, taken[d], want)
				}
			}
		}
	}
}
