// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

const proto = 119

// table is a namespace with two up links, "up0" and "up1", that hold 192.0.2.1/24, 2001:db8::1/64 and 198.51.100.1/24, 2001:db8:1::1/64.
type table struct {
	ns     *netns.NS
	links  *netlink.Conn
	routes *netlink.RouteConn
	up     [2]int
}

func openTable(t testing.TB, suffix string) *table {
	t.Helper()
	name := fmt.Sprintf("weft-rt%d-%s", os.Getpid(), suffix)
	ns, err := netns.Create(name)
	check(t, err)
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	tb := &table{ns: ns}
	tb.links, err = netlink.Open(ns)
	check(t, err)
	t.Cleanup(tb.links.Close)
	tb.routes, err = netlink.OpenRoutes(ns)
	check(t, err)
	t.Cleanup(func() { check(t, tb.routes.Close()) })
	for i, addrs := range [][]string{{"192.0.2.1/24", "2001:db8::1/64"}, {"198.51.100.1/24", "2001:db8:1::1/64"}} {
		tb.up[i] = tb.link(t, fmt.Sprintf("up%d", i), addrs...)
	}
	return tb
}

func (tb *table) link(t testing.TB, name string, addrs ...string) int {
	t.Helper()
	near, err := tb.links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: name, Up: true}, Peer: netlink.LinkSpec{Name: name + "p", Up: true}})
	check(t, err)
	far, err := tb.links.Link(name + "p")
	check(t, err)
	check(t, tb.links.SetUp(far.Index, true))
	for _, a := range addrs {
		check(t, tb.links.AddAddr(netlink.Addr{Link: near.Index, Prefix: netip.MustParsePrefix(a), NoDAD: true}))
	}
	return near.Index
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (tb *table) change(t testing.TB, op netlink.RouteOp, routes ...netlink.Route) {
	t.Helper()
	changes := make([]netlink.RouteChange, len(routes))
	for i, r := range routes {
		changes[i] = netlink.RouteChange{Op: op, Route: r}
	}
	failed, err := tb.routes.Change(changes)
	check(t, err)
	for _, err := range failed {
		t.Fatal(err)
	}
}

// holds fails unless the kernel's routes of our protocol are want.
func (tb *table) holds(t *testing.T, want ...netlink.Route) {
	t.Helper()
	got, err := tb.routes.List(proto)
	check(t, err)
	order := func(a, b netlink.Route) int { return cmp.Or(a.Dst.Compare(b.Dst), cmp.Compare(a.Metric, b.Metric)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.EqualFunc(got, want, netlink.Route.Equal) {
		t.Errorf("kernel holds\n%v\nwant\n%v", lines(got), lines(want))
	}
}

func lines(routes []netlink.Route) string {
	var b strings.Builder
	for _, r := range routes {
		fmt.Fprintln(&b, "\t", r)
	}
	return b.String()
}

func via(link int, gateways ...string) []netlink.NextHop {
	if len(gateways) == 0 {
		return []netlink.NextHop{{Link: link}}
	}
	var hops []netlink.NextHop
	for _, g := range gateways {
		hops = append(hops, netlink.NextHop{Link: link, Gateway: netip.MustParseAddr(g)})
	}
	return hops
}

// onLink is a gateway that no address of its link covers.
func onLink(link int, gateway string) netlink.NextHop {
	return netlink.NextHop{Link: link, Gateway: netip.MustParseAddr(gateway), OnLink: true}
}

func unicast(dst string, hops ...netlink.NextHop) netlink.Route {
	return netlink.Route{Dst: netip.MustParsePrefix(dst), Type: netlink.RouteUnicast, Protocol: proto, Metric: 1024, NextHops: hops}
}

func narrow(mtu int, r netlink.Route) netlink.Route {
	r.MTU = mtu
	return r
}

func blackhole(dst string) netlink.Route {
	return netlink.Route{Dst: netip.MustParsePrefix(dst), Type: netlink.RouteBlackhole, Protocol: proto, Metric: 1024}
}

// TestRouteKinds walks one prefix of each family through every kind of route by replacing, which is how a route moves without a gap.
func TestRouteKinds(t *testing.T) {
	tb := openTable(t, "kinds")
	for _, f := range []struct{ dst, gw0, gw0b, gw1, far string }{
		{"10.65.0.0/26", "192.0.2.2", "192.0.2.3", "198.51.100.2", "203.0.113.9"},
		{"fd00:65::/122", "2001:db8::2", "2001:db8::3", "2001:db8:1::2", "2001:db8:99::9"},
	} {
		ecmp := append(via(tb.up[0], f.gw0, f.gw0b), via(tb.up[1], f.gw1)...)
		for i, r := range []netlink.Route{
			unicast(f.dst, via(tb.up[0])...),
			unicast(f.dst, via(tb.up[1])...),
			blackhole(f.dst),
			unicast(f.dst, via(tb.up[0], f.gw0)...),
			unicast(f.dst, ecmp...),
			narrow(1400, unicast(f.dst, ecmp...)),
			narrow(1400, unicast(f.dst, via(tb.up[0], f.gw0)...)),
			unicast(f.dst, ecmp[1:]...),
			unicast(f.dst, via(tb.up[1], f.gw1)...),
			unicast(f.dst, onLink(tb.up[0], f.far)),
			unicast(f.dst, onLink(tb.up[0], f.far), via(tb.up[1], f.gw1)[0]),
			blackhole(f.dst),
			unicast(f.dst, ecmp...),
			unicast(f.dst, via(tb.up[0])...),
		} {
			tb.change(t, netlink.RouteReplace, r)
			if tb.holds(t, r); t.Failed() {
				t.Fatalf("after step %d to %s", i, r)
			}
		}
		tb.change(t, netlink.RouteDelete, netlink.Route{Dst: netip.MustParsePrefix(f.dst), Protocol: proto, Metric: 1024})
		tb.holds(t)
	}
}

func TestRouteViaOtherFamily(t *testing.T) {
	tb := openTable(t, "via6")
	r := unicast("10.65.0.0/26", via(tb.up[0], "2001:db8::2")...)
	tb.change(t, netlink.RouteAdd, r)
	tb.holds(t, r)
}

func TestChangeReportsEachFailure(t *testing.T) {
	tb := openTable(t, "fail")
	foreign := unicast("10.65.0.2/32", via(tb.up[0])...)
	foreign.Protocol = unix.RTPROT_STATIC
	tb.change(t, netlink.RouteAdd, foreign)
	good, last := unicast("10.65.0.1/32", via(tb.up[0])...), unicast("10.65.0.4/32", via(tb.up[1])...)
	ours := foreign
	ours.Protocol = proto
	failed, err := tb.routes.Change([]netlink.RouteChange{
		{Op: netlink.RouteAdd, Route: good},
		{Op: netlink.RouteAdd, Route: ours},
		{Op: netlink.RouteDelete, Route: ours},
		{Op: netlink.RouteAdd, Route: unicast("10.65.0.3/32", via(99)...)},
		{Op: netlink.RouteAdd, Route: last},
	})
	check(t, err)
	if len(failed) != 3 || !errors.Is(failed[1], fs.ErrExist) || !errors.Is(failed[2], fs.ErrNotExist) || !errors.Is(failed[3], fs.ErrNotExist) {
		t.Errorf("failed = %v, want exist, not exist, not exist for changes 1, 2, 3", failed)
	}
	if failed[3] == nil || !strings.Contains(failed[3].Error(), "10.65.0.3/32") {
		t.Errorf("%v does not name the route", failed[3])
	}
	tb.holds(t, good, last)
	all, err := tb.routes.List(0)
	check(t, err)
	if !slices.ContainsFunc(all, foreign.Equal) {
		t.Errorf("the foreign route is gone:\n%s", lines(all))
	}
}

// TestManyFailures loses no answer when a whole batch is refused.
func TestManyFailures(t *testing.T) {
	tb := openTable(t, "many")
	var changes []netlink.RouteChange
	for _, r := range randomRoutes(3000, tb.up[0]) {
		changes = append(changes, netlink.RouteChange{Op: netlink.RouteDelete, Route: r})
	}
	failed, err := tb.routes.Change(changes)
	check(t, err)
	if len(failed) != len(changes) {
		t.Errorf("%d of %d deletes of nothing failed", len(failed), len(changes))
	}
}

func TestThousandsOfRoutes(t *testing.T) {
	tb := openTable(t, "bulk")
	routes := randomRoutes(5000, tb.up[0])
	tb.change(t, netlink.RouteAdd, routes...)
	tb.holds(t, routes...)
	tb.change(t, netlink.RouteDelete, routes...)
	tb.holds(t)
}

// randomRoutes returns n distinct host routes, half of them IPv6.
func randomRoutes(n, link int) []netlink.Route {
	rng := rand.New(rand.NewPCG(1, 2))
	routes := make([]netlink.Route, 0, n)
	for i := range n {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if i%2 == 1 {
			raw := [16]byte{0: 0xfd, 15: byte(rng.Uint32())}
			binary.BigEndian.PutUint32(raw[8:], uint32(i))
			addr = netip.AddrFrom16(raw)
		}
		routes = append(routes, unicast(netip.PrefixFrom(addr, addr.BitLen()).String(), via(link)...))
	}
	return routes
}

func TestLookup(t *testing.T) {
	tb := openTable(t, "look")
	ecmp := append(via(tb.up[0], "192.0.2.2"), via(tb.up[1], "198.51.100.2")...)
	want := []netlink.Route{
		unicast("10.65.1.1/32", via(tb.up[1])...),
		unicast("10.66.0.0/16", ecmp...),
		unicast("fd00:65::/64", via(tb.up[0], "2001:db8::2")...),
	}
	tb.change(t, netlink.RouteAdd, append(want, blackhole("10.67.0.0/16"))...)
	addrs := []netip.Addr{}
	for _, a := range []string{"10.65.1.1", "10.66.7.7", "fd00:65::7", "192.0.2.9", "192.0.2.1", "203.0.113.1", "10.67.1.1", "2001:db8:ff::1"} {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	got, err := tb.routes.Lookup(addrs)
	check(t, err)
	for i, r := range want {
		if got[i].Err != nil || !got[i].Route.Equal(r) {
			t.Errorf("lookup of %s = %s, %v; want %s", addrs[i], got[i].Route, got[i].Err, r)
		}
	}
	if r := got[3].Route; !slices.Equal(r.NextHops, via(tb.up[0])) || r.Dst.String() != "192.0.2.0/24" {
		t.Errorf("connected destination: %s, %v", r, got[3].Err)
	}
	if got[4].Route.Type != netlink.RouteHost {
		t.Errorf("own address: %s, %v", got[4].Route, got[4].Err)
	}
	for _, i := range []int{5, 6, 7} {
		if got[i].Err == nil {
			t.Errorf("lookup of %s = %s, want an error", addrs[i], got[i].Route)
		}
	}
	if !errors.Is(got[5].Err, unix.ENETUNREACH) || !errors.Is(got[7].Err, unix.ENETUNREACH) {
		t.Errorf("no route: %v, %v; want ENETUNREACH", got[5].Err, got[7].Err)
	}
}

func TestLinkStates(t *testing.T) {
	tb := openTable(t, "state")
	check(t, tb.links.SetUp(tb.up[1], false))
	got, err := tb.routes.LinkStates([]string{"up0", "missing", "up1"})
	check(t, err)
	want := map[string]netlink.LinkState{"up0": {Index: tb.up[0], Name: "up0", Up: true}, "up1": {Index: tb.up[1], Name: "up1"}}
	if len(got) != 2 || got["up0"] != want["up0"] || got["up1"] != want["up1"] {
		t.Errorf("states %+v, want %+v", got, want)
	}
}

// TestMonitor sees what others do, and nothing of what the writer does.
func TestMonitor(t *testing.T) {
	tb := openTable(t, "mon")
	m, err := netlink.OpenMonitor(tb.ns, tb.routes)
	check(t, err)
	events := make(chan netlink.Event, 1024)
	go func() {
		defer close(events)
		for {
			list, err := m.Next()
			if err != nil {
				if !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
				return
			}
			for _, ev := range list {
				events <- ev
			}
		}
	}()
	next := func(what string, match func(netlink.Event) bool) {
		t.Helper()
		timeout := time.After(10 * time.Second)
		for {
			select {
			case ev := <-events:
				if ev.Kind == netlink.EventRoute && ev.Route.Protocol == proto && ev.Route.Dst.Addr().Is4() && !ev.Deleted {
					t.Errorf("own change shows: %+v", ev)
				}
				if match(ev) {
					return
				}
			case <-timeout:
				t.Fatalf("no event: %s", what)
			}
		}
	}
	r := unicast("10.65.0.1/32", via(tb.up[0])...)
	tb.change(t, netlink.RouteAdd, r)
	other, err := netlink.OpenRoutes(tb.ns)
	check(t, err)
	defer func() { check(t, other.Close()) }()
	_, err = other.Change([]netlink.RouteChange{{Op: netlink.RouteDelete, Route: r}})
	check(t, err)
	next("delete of our route by another socket", func(ev netlink.Event) bool {
		return ev.Kind == netlink.EventRoute && ev.Deleted && ev.Route.Equal(r)
	})
	check(t, tb.links.SetUp(tb.up[1], false))
	next("link down", func(ev netlink.Event) bool {
		return ev.Kind == netlink.EventLink && ev.Link == netlink.LinkState{Index: tb.up[1], Name: "up1"}
	})
	check(t, tb.links.DeleteAddr(netlink.Addr{Link: tb.up[0], Prefix: netip.MustParsePrefix("192.0.2.1/24")}))
	next("address gone", func(ev netlink.Event) bool {
		return ev.Kind == netlink.EventAddr && ev.Deleted && ev.Link.Index == tb.up[0] && ev.Addr.String() == "192.0.2.1/24"
	})
	check(t, tb.links.DeleteLink(tb.up[0]))
	next("link gone", func(ev netlink.Event) bool {
		return ev.Kind == netlink.EventLink && ev.Deleted && ev.Link.Name == "up0"
	})
	check(t, m.Close())
	for range events { // until the reader has ended
	}
}

// BenchmarkRoutes is 10,000 routes added and deleted again; BenchmarkRoutesIP the same through one `ip -batch`.
func BenchmarkRoutes(b *testing.B) {
	tb := openTable(b, "bench")
	routes := randomRoutes(10_000, tb.up[0])
	for b.Loop() {
		tb.change(b, netlink.RouteAdd, routes...)
		tb.change(b, netlink.RouteDelete, routes...)
	}
}

func BenchmarkRoutesIP(b *testing.B) {
	tb := openTable(b, "benchip")
	var script strings.Builder
	for _, op := range []string{"add", "del"} {
		for _, r := range randomRoutes(10_000, 0) {
			fmt.Fprintf(&script, "route %s %s dev up0 proto %d metric 1024\n", op, r.Dst, proto)
		}
	}
	file := filepath.Join(b.TempDir(), "batch")
	check(b, os.WriteFile(file, []byte(script.String()), 0o600))
	for b.Loop() {
		check(b, proc.Run(context.Background(), proc.Spec{Path: "ip", Args: []string{"-batch", file}, NS: tb.ns}, proc.IO{Err: os.Stderr}))
	}
}

func BenchmarkList(b *testing.B) {
	tb := openTable(b, "benchls")
	tb.change(b, netlink.RouteAdd, randomRoutes(10_000, tb.up[0])...)
	for b.Loop() {
		if got, err := tb.routes.List(proto); err != nil || len(got) != 10_000 {
			b.Fatal(len(got), err)
		}
	}
}
