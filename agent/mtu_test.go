// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/mtu"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/sys/pathmtu"
)

// fakePaths is an underlay of one link, with paths that take what room says, or do not answer.
type fakePaths struct {
	mu    sync.Mutex
	links []mtu.Link
	room  map[netip.Addr]int
	asked map[netip.Addr]int
	lost  error // of Towards
}

func newFakePaths() *fakePaths {
	return &fakePaths{links: []mtu.Link{{Name: "eth0", MTU: 1500, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}},
		room: map[netip.Addr]int{}, asked: map[netip.Addr]int{}}
}

func (f *fakePaths) Links() ([]mtu.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.links), nil
}

func (f *fakePaths) Towards(addrs []netip.Addr) ([]string, error) {
	return slices.Repeat([]string{"eth0"}, len(addrs)), f.lost
}

func (*fakePaths) Answer(netip.Addr, func(netip.Addr) bool) (func() error, error) {
	return func() error { return nil }, nil
}

func (f *fakePaths) Measure(_ context.Context, _, to netip.Addr, most int) (pathmtu.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[to]++
	room, ok := f.room[to]
	if !ok {
		return pathmtu.Result{}, pathmtu.ErrNoAnswer
	}
	return pathmtu.Result{MTU: min(room, most)}, nil
}

func (f *fakePaths) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// TestSizes: the sizes in force follow the links, the measurements and the configuration, and silence of a node takes nothing back.
func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paths := newFakePaths()
		two, three := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
		paths.room[two], paths.room[three] = 1500, 1400
		own := [2]netip.Addr{netip.MustParseAddr("192.0.2.1")}
		facts := sizeFacts{own: own, Underlay: calc.Underlay{Nodes: map[string][2]netip.Addr{"n1": own, "n2": {two}, "n3": {three}}}}
		facts.Used[desired.VXLAN4] = true
		facts.tunnels = []desired.Tunnel{{Kind: desired.VXLAN4, Name: "vxlan.calico"}}
		tunnelAddr := netip.MustParseAddr("10.65.3.0")
		facts.peers = []desired.TunnelPeer{{ID: desired.TunnelPeerID{Tunnel: "vxlan.calico", Node: "n3"}, Remote: three, Addr: tunnelAddr}}
		var mu sync.Mutex
		var workload int
		var narrow map[routes.Way]int
		s := newSizer(paths, slog.New(slog.DiscardHandler))
		s.facts = func(context.Context) (sizeFacts, bool) { mu.Lock(); defer mu.Unlock(); return facts, true }
		s.resize = func(size int) error { mu.Lock(); defer mu.Unlock(); workload = size; return nil }
		s.program = func(_ context.Context, m map[routes.Way]int) error {
			mu.Lock()
			defer mu.Unlock()
			narrow = m
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.run(ctx) })
		running.Go(func() { s.measure(ctx) })
		defer running.Wait()
		defer stop()
		expect := func(when string, size int, want map[routes.Way]int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got, err := s.MTU(ctx); workload != size || got != size || err != nil || !maps.Equal(narrow, want) {
				t.Errorf("%s: workloads %d and %d, ways %v, %v; want %d and %v", when, workload, got, narrow, err, size, want)
			}
		}
		s.change()
		slow := map[routes.Way]int{{Via: three}: 1400, {Tunnel: "vxlan.calico", Via: tunnelAddr}: 1350}
		expect("at the start", 1450, slow)
		paths.set(func() { delete(paths.room, three) })
		time.Sleep(2 * measureEvery)
		expect("the slow node is silent", 1450, slow)
		paths.set(func() { paths.room[three] = 1500 })
		time.Sleep(2 * measureEvery)
		expect("the path has widened", 1450, map[routes.Way]int{})
		paths.set(func() { paths.links[0].MTU, paths.room[two], paths.room[three] = 9000, 9000, 9000 })
		s.change()
		expect("the link takes more", 8950, map[routes.Way]int{})
		mu.Lock()
		facts.Underlay.MTU[desired.VXLAN4] = 1400
		mu.Unlock()
		s.change()
		expect("a device MTU is stated", 1400, map[routes.Way]int{})
		asked := paths.asked[two]
		time.Sleep(10 * measureEvery)
		synctest.Wait()
		if more := paths.asked[two] - asked; more < 8 || more > 11 {
			t.Errorf("a good path was measured %d times in %v, want about 10", more, 10*measureEvery)
		}
	})
}

// TestWorkloadsStartWithoutPaths: the size of workloads is known, and in force, when the ways to other nodes cannot be looked up.
func TestWorkloadsStartWithoutPaths(t *testing.T) {
	paths := newFakePaths()
	paths.lost = errors.New("no reply")
	s := newSizer(paths, slog.New(slog.DiscardHandler))
	own := [2]netip.Addr{netip.MustParseAddr("192.0.2.1")}
	s.facts = func(context.Context) (sizeFacts, bool) {
		return sizeFacts{own: own, Underlay: calc.Underlay{Nodes: map[string][2]netip.Addr{"n2": {netip.MustParseAddr("192.0.2.2")}}}}, true
	}
	var inForce int
	s.resize = func(size int) error { inForce = size; return nil }
	if err := s.settle(t.Context()); !errors.Is(err, paths.lost) {
		t.Errorf("error %v, want %v", err, paths.lost)
	}
	if size, err := s.MTU(t.Context()); size != 1500 || err != nil || inForce != 1500 {
		t.Errorf("workloads %d, in force %d, %v; want 1500", size, inForce, err)
	}
}

// TestUnknownMTUSaysWhy: who waits for the size in vain is told what it waits for.
func TestUnknownMTUSaysWhy(t *testing.T) {
	s := newSizer(newFakePaths(), slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.MTU(ctx); err == nil || !strings.Contains(err.Error(), "waits for its address") {
		t.Errorf("without an address: %v", err)
	}
	s.problem = errors.New("list links: permission denied")
	if _, err := s.MTU(ctx); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("without links: %v", err)
	}
}
