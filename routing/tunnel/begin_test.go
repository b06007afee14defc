// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel_test

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// shared makes a node whose manager shares its connection, and a peer of it.
func shared(t *testing.T) (a *node, conn *netlink.RouteConn) {
	t.Helper()
	a, _ = pair(t)
	check(t, a.m.Close())
	conn = must[*netlink.RouteConn](t)(netlink.OpenRoutes(a.ns))
	a.m = must[*tunnel.Manager](t)(tunnel.Open(tunnel.Options{NS: a.ns, Kernel: conn, KeyDir: a.keys, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(func() {
		check(t, a.m.Close())
		check(t, conn.Close()) // is not closed yet
	})
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wanted("192.0.2.1", "10.65.0.0", 1)}})
	return a, conn
}

func (n *node) begin(t *testing.T, d *desired.Delta) {
	t.Helper()
	check(t, n.state.Apply(d))
	if _, settled, err := n.m.Begin(t.Context(), n.state, d); settled || err != nil {
		t.Fatalf("settled at once: %t, %v", settled, err)
	}
}

var delta = &desired.Delta{TunnelPeers: []desired.TunnelPeer{peer("b", "192.0.2.2", "10.65.1.0", 2)}}

// TestEntriesTravelWithRoutes over the same connection: they are there with the route, not before.
func TestEntriesTravelWithRoutes(t *testing.T) {
	a, conn := shared(t)
	a.begin(t, delta)
	if got := a.entries(t); len(got) > 0 {
		t.Errorf("before the route: %q", got)
	}
	link := must[netlink.Link](t)(a.links.Link(device))
	route := netlink.Route{Dst: netip.MustParsePrefix("10.65.1.0/26"), Type: netlink.RouteUnicast, Protocol: own.RouteProtocol, Metric: 5,
		NextHops: []netlink.NextHop{{Gateway: netip.MustParseAddr("10.65.1.0"), Link: link.Index, OnLink: true}}}
	if refused, err := conn.Change([]netlink.RouteChange{{Op: netlink.RouteAdd, Route: route}}); err != nil || len(refused) > 0 {
		t.Errorf("route: %v, %v", refused, err)
	}
	if got, want := a.entries(t), []string{"10.65.1.0 is 66:00:00:00:00:02", "66:00:00:00:00:02 at 192.0.2.2"}; !slices.Equal(got, want) {
		t.Errorf("with the route: %q, want %q", got, want)
	}
	if r, err := a.m.Settle(); err != nil || len(r.Failed) > 0 {
		t.Errorf("settled: %+v, %v", r, err)
	}
	a.quiet(t)
}

// TestSettleSends what no route has taken along, once.
func TestSettleSends(t *testing.T) {
	a, _ := shared(t)
	a.begin(t, delta)
	for range 2 {
		if r, err := a.m.Settle(); err != nil || len(r.Failed) > 0 {
			t.Errorf("settled: %+v, %v", r, err)
		}
		if got := a.entries(t); len(got) != 2 {
			t.Errorf("settled: %q", got)
		}
	}
}

// TestSettleTellsWhatWasRefused by device and entry, and the next comparison mends it.
func TestSettleTellsWhatWasRefused(t *testing.T) {
	a, conn := shared(t)
	check(t, a.links.DeleteLink(must[netlink.Link](t)(a.links.Link(device)).Index))
	a.begin(t, delta)
	check(t, conn.Batch(netlink.RouteChange{Op: netlink.RouteAdd, Route: netlink.Route{Dst: netip.MustParsePrefix("10.65.9.0/26"), Type: netlink.RouteBlackhole,
		Protocol: own.RouteProtocol, Metric: 5}}))
	r, err := a.m.Settle()
	if err == nil || r.Failed[device] == nil || !strings.Contains(err.Error(), "tunnel "+device) || !strings.Contains(err.Error(), "neighbour 10.65.1.0") {
		t.Errorf("settled: %+v, %v", r, err)
	}
	if a.m.InForce()[desired.VXLAN4].IsValid() {
		t.Error("in force although the kernel refused a peer")
	}
	if r, err := a.m.Apply(t.Context(), a.state, nil); err != nil || len(r.Failed) > 0 {
		t.Errorf("compared: %+v, %v", r, err)
	}
	if got := a.entries(t); len(got) != 2 {
		t.Errorf("compared: %q", got)
	}
}
