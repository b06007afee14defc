// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// host is a namespace with one uplink, a manager, and a loop that does what the agent does: Apply on each event.
type host struct {
	ns    *netns.NS
	links *netlink.Conn
	table *netlink.RouteConn
	m     *routes.Manager
	eth   netlink.Link
}

func newHost(t testing.TB, suffix string) *host {
	t.Helper()
	name := fmt.Sprintf("weft-rts%d-%s", os.Getpid(), suffix)
	ns, err := netns.Create(name)
	check(t, err)
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	h := &host{ns: ns}
	h.links, err = netlink.Open(ns)
	check(t, err)
	t.Cleanup(h.links.Close)
	h.table, err = netlink.OpenRoutes(ns)
	check(t, err)
	t.Cleanup(func() { check(t, h.table.Close()) })
	h.eth = h.veth(t, "eth0")
	for _, a := range []string{"192.0.2.1/24", "2001:db8::1/64"} {
		check(t, h.links.AddAddr(netlink.Addr{Link: h.eth.Index, Prefix: netip.MustParsePrefix(a), NoDAD: true}))
	}
	h.m, err = routes.Open(ns, slog.New(slog.DiscardHandler))
	check(t, err)
	t.Cleanup(func() { check(t, h.m.Close()) })
	return h
}

func (h *host) veth(t testing.TB, name string) netlink.Link {
	t.Helper()
	link, err := h.links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: name, Up: true}, Peer: netlink.LinkSpec{Name: name + "p"}})
	check(t, err)
	check(t, h.links.SetUp(link.Peer, true))
	return link
}

// repair applies on every event until the test ends.
func (h *host) repair(t *testing.T, view desired.View) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-h.m.Events():
				if _, err := h.m.Apply(ctx, view, nil); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

// eventually polls the kernel until our routes, without their next hops, are want, and returns how long it took.
func (h *host) eventually(t *testing.T, want ...string) time.Duration {
	t.Helper()
	start := time.Now()
	slices.Sort(want)
	for {
		got := []string{}
		for _, protocol := range []uint8{own.RouteProtocol, own.RouteProtocolBGP} {
			list, err := h.table.List(protocol)
			check(t, err)
			for _, r := range list {
				got = append(got, map[netlink.RouteType]string{netlink.RouteBlackhole: "blackhole "}[r.Type]+r.Dst.String())
			}
		}
		slices.Sort(got)
		if slices.Equal(got, want) {
			return time.Since(start)
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("kernel holds %q, want %q", got, want)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSelfHealing: whatever takes our routes away, they are back at once, and nothing else is touched.
func TestSelfHealing(t *testing.T) {
	h := newHost(t, "heal")
	h.veth(t, "cali1")
	want := map[netip.Prefix]desired.Route{}
	for _, r := range []desired.Route{local("10.65.0.1/32", "cali1"), local("fd00:65::1/128", "cali1"), blackhole("10.65.0.0/26"), blackhole("fd00:65::/122")} {
		want[r.Dst] = r
	}
	report, err := h.m.Apply(t.Context(), viewOf(want), nil)
	check(t, err)
	if len(report.Failed) != 0 || len(report.Programmed) == 0 {
		t.Fatalf("report %+v", report)
	}
	check(t, h.m.Learn(t.Context(), maps.All(map[netip.Prefix][]netip.Addr{
		netip.MustParsePrefix("10.65.1.0/26"):   {netip.MustParseAddr("192.0.2.2")},
		netip.MustParsePrefix("fd00:65:1::/64"): {netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")},
	}), true))
	all := []string{"blackhole 10.65.0.0/26", "10.65.0.1/32", "10.65.1.0/26", "fd00:65:1::/64", "blackhole fd00:65::/122", "fd00:65::1/128"}
	h.eventually(t, all...)
	before, err := h.table.List(0)
	check(t, err)
	h.repair(t, viewOf(want))
	for _, action := range []struct {
		name string
		do   func() error
		gone []string
	}{
		{"delete one", h.ip("route", "del", "10.65.0.1/32"), nil},
		{"delete learned", h.ip("-6", "route", "del", "fd00:65:1::/64"), nil},
		{"flush by protocol", h.ip("route", "flush", "proto", "119"), nil},
		{"replace", h.ip("route", "replace", "blackhole", "10.65.1.0/26", "proto", "120", "metric", fmt.Sprint(routes.Metric(netip.MustParsePrefix("10.65.1.0/26")))), nil},
		{"workload link down", h.ip("link", "set", "cali1", "down"), []string{"10.65.0.1/32", "fd00:65::1/128"}},
		{"workload link up", h.ip("link", "set", "cali1", "up"), nil},
		{"workload link gets an address", h.ip("addr", "add", "203.0.113.1/32", "dev", "cali1"), nil},
		{"and loses its last one", h.ip("addr", "del", "203.0.113.1/32", "dev", "cali1"), nil},
		{"uplink down", h.ip("link", "set", "eth0", "down"), []string{"10.65.1.0/26", "fd00:65:1::/64"}},
		{"uplink up", h.ip("link", "set", "eth0", "up"), []string{"fd00:65:1::/64"}}, // its IPv6 addresses went with it
		{"address back", h.ip("addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad"), nil},
		{"address away", h.ip("addr", "del", "192.0.2.1/24", "dev", "eth0"), []string{"10.65.1.0/26"}},
		{"address again", h.ip("addr", "add", "192.0.2.1/24", "dev", "eth0"), nil},
	} {
		check(t, action.do())
		left := slices.DeleteFunc(slices.Clone(all), func(r string) bool { return slices.Contains(action.gone, r) })
		t.Logf("%s: %s", action.name, h.eventually(t, left...).Round(10*time.Microsecond))
	}
	check(t, h.links.DeleteLink(h.index(t, "cali1")))
	h.eventually(t, "blackhole 10.65.0.0/26", "10.65.1.0/26", "fd00:65:1::/64", "blackhole fd00:65::/122")
	h.veth(t, "cali1")
	h.eventually(t, all...)
	check(t, h.m.Remove(t.Context()))
	h.eventually(t)
	after, err := h.table.List(0)
	check(t, err)
	for _, r := range before {
		mine := r.Protocol == own.RouteProtocol || r.Protocol == own.RouteProtocolBGP
		if !mine && r.Dst.Addr().Is4() && !slices.ContainsFunc(after, r.Equal) {
			t.Errorf("foreign route %s is gone", r)
		}
	}
}

func (h *host) index(t *testing.T, name string) int {
	t.Helper()
	link, err := h.links.Link(name)
	check(t, err)
	return link.Index
}

func (h *host) ip(args ...string) func() error {
	return func() error {
		return proc.Run(context.Background(), proc.Spec{Path: "ip", Args: args, NS: h.ns}, proc.IO{Err: os.Stderr})
	}
}

// BenchmarkLearn programs 10,000 learned prefixes behind 100 next hops, and withdraws them.
func BenchmarkLearn(b *testing.B) {
	h := newHost(b, "bench")
	_, err := h.m.Apply(b.Context(), desired.NewState(), nil)
	check(b, err)
	up, down := tenThousand()
	for b.Loop() {
		check(b, h.m.Learn(b.Context(), maps.All(up), true))
		check(b, h.m.Learn(b.Context(), maps.All(down), true))
	}
}

// BenchmarkLearnIP is the kernel's part of the same work through `ip -batch`.
func BenchmarkLearnIP(b *testing.B) {
	h := newHost(b, "benchip")
	up, _ := tenThousand()
	var script strings.Builder
	for _, op := range []string{"add", "del"} {
		for dst, hops := range up {
			fmt.Fprintf(&script, "route %s %s via %s proto %d metric %d\n", op, dst, hops[0], own.RouteProtocolBGP, own.RouteMetric)
		}
	}
	file := filepath.Join(b.TempDir(), "batch")
	check(b, os.WriteFile(file, []byte(script.String()), 0o600))
	for b.Loop() {
		check(b, h.ip("-batch", file)())
	}
}

// BenchmarkFullApply compares 10,000 learned routes with the kernel.
func BenchmarkFullApply(b *testing.B) {
	h := newHost(b, "full")
	up, _ := tenThousand()
	check(b, h.m.Learn(b.Context(), maps.All(up), true))
	for b.Loop() {
		report, err := h.m.Apply(b.Context(), desired.NewState(), nil)
		if err != nil || report.Repaired > 0 {
			b.Fatal(report, err)
		}
	}
}

// BenchmarkOneEndpoint adds and removes a dual-stack endpoint beside 10,000 learned routes.
func BenchmarkOneEndpoint(b *testing.B) {
	h := newHost(b, "one")
	h.veth(b, "cali1")
	up, _ := tenThousand()
	check(b, h.m.Learn(b.Context(), maps.All(up), true))
	_, err := h.m.Apply(b.Context(), desired.NewState(), nil)
	check(b, err)
	add := &desired.Delta{
		Routes:    []desired.Route{local("10.65.0.1/32", "cali1"), local("fd00:65::1/128", "cali1")},
		Endpoints: []*desired.Endpoint{endpoint("cali1", netip.MustParseAddr("10.65.0.1"), netip.MustParseAddr("fd00:65::1"))},
	}
	remove := &desired.Delta{RoutesRemoved: []netip.Prefix{add.Routes[0].Dst, add.Routes[1].Dst}}
	for b.Loop() {
		report, err := h.m.Apply(b.Context(), desired.NewState(), add)
		if err != nil || len(report.Programmed) != 1 {
			b.Fatal(report, err)
		}
		_, err = h.m.Apply(b.Context(), desired.NewState(), remove)
		check(b, err)
	}
}

func tenThousand() (up, down map[netip.Prefix][]netip.Addr) {
	up, down = map[netip.Prefix][]netip.Addr{}, map[netip.Prefix][]netip.Addr{}
	for i := range 10_000 {
		dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 10), byte(i >> 2), byte(i << 6)}), 26)
		up[dst], down[dst] = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + i%100)})}, nil
	}
	return up, down
}

// TestRoutesToOtherNodes: straight ones follow the underlay, those through a tunnel wait for its device.
func TestRoutesToOtherNodes(t *testing.T) {
	h := newHost(t, "nodes")
	view := desired.NewState()
	tunnel := desired.Tunnel{Name: "vxlan.calico"}
	straight := desired.Route{Dst: netip.MustParsePrefix("10.65.1.0/26"), Kind: desired.RouteNode, Via: netip.MustParseAddr("192.0.2.7")}
	wrapped := desired.Route{Dst: netip.MustParsePrefix("10.65.2.0/26"), Kind: desired.RouteTunnel, Interface: "vxlan.calico", Via: netip.MustParseAddr("10.65.2.0")}
	delta := &desired.Delta{Tunnels: []desired.Tunnel{tunnel}, Routes: []desired.Route{straight, wrapped}}
	check(t, view.Apply(delta))
	if _, err := h.m.Apply(t.Context(), view, nil); err != nil {
		t.Fatal(err)
	}
	h.repair(t, view)
	h.eventually(t, "10.65.1.0/26")
	link, err := h.links.AddVXLAN(netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: "vxlan.calico", Up: true}, VNI: 1, Port: 4789, Local: netip.MustParseAddr("192.0.2.1")})
	check(t, err)
	h.eventually(t, "10.65.1.0/26", "10.65.2.0/26")
	list, err := h.table.List(own.RouteProtocol)
	check(t, err)
	hops := map[string]netlink.NextHop{
		"10.65.1.0/26": {Gateway: netip.MustParseAddr("192.0.2.7"), Link: h.eth.Index},
		"10.65.2.0/26": {Gateway: netip.MustParseAddr("10.65.2.0"), Link: link.Index, OnLink: true},
	}
	for _, r := range list {
		if want := hops[r.Dst.String()]; len(r.NextHops) != 1 || r.NextHops[0] != want {
			t.Errorf("%s leads over %v, want %v", r.Dst, r.NextHops, want)
		}
	}
	// The straight route goes before one that BGP knows; without it, the latter is used.
	check(t, h.m.Learn(t.Context(), maps.All(map[netip.Prefix][]netip.Addr{straight.Dst: {netip.MustParseAddr("192.0.2.8")}}), true))
	h.eventually(t, "10.65.1.0/26", "10.65.2.0/26")
	// A tunnel that goes takes its route with it, and brings it back.
	check(t, h.links.DeleteLink(link.Index))
	h.eventually(t, "10.65.1.0/26")
	_, err = h.links.AddVXLAN(netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: "vxlan.calico", Up: true}, VNI: 1, Port: 4789, Local: netip.MustParseAddr("192.0.2.1")})
	check(t, err)
	h.eventually(t, "10.65.1.0/26", "10.65.2.0/26")
}
