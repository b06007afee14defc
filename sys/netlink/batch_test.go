// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
)

func TestBatch(t *testing.T) {
	ns, c := open(t, "batch")
	routes := must[*netlink.RouteConn](t)(netlink.OpenRoutes(ns))
	t.Cleanup(func() { _ = routes.Close() })
	br := must[netlink.Link](t)(c.AddBridge(netlink.LinkSpec{Name: "br0"}))
	addr := netlink.Addr{Link: br.Index, Prefix: netip.MustParsePrefix("2001:db8::7/128"), NoDAD: true}
	via := netip.MustParseAddr("fe80::1")
	route := netlink.Route{Dst: netip.MustParsePrefix("2001:db8:1::/48"), Type: netlink.RouteUnicast, Protocol: 3, Metric: 5,
		NextHops: []netlink.NextHop{{Gateway: via, Link: br.Index}}}
	requests := []netlink.Request{
		netlink.LinkUp(br.Index), netlink.AddrChange(addr),
		netlink.Neighbour{Link: br.Index, Addr: via, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}},
		netlink.RouteChange{Op: netlink.RouteReplace, Route: route},
	}
	for range 2 { // every request replaces what is there
		if err := routes.Batch(requests...); err != nil {
			t.Fatal(err)
		}
	}
	if link := must[netlink.Link](t)(c.Link("br0")); !link.Up {
		t.Error("link is down")
	}
	if got := must[[]netlink.Addr](t)(c.Addrs(br.Index)); !slices.Contains(got, addr) {
		t.Errorf("addresses %+v lack %+v", got, addr)
	}
	if got := must[[]netlink.Route](t)(routes.List(3)); !slices.ContainsFunc(got, route.Equal) {
		t.Errorf("routes %v lack %v", got, route)
	}
	if err := routes.Batch(); err != nil {
		t.Errorf("empty batch: %v", err)
	}
}

// TestBatchNamesWhatWasRefused: one bad request does not keep the others from being done.
func TestBatchNamesWhatWasRefused(t *testing.T) {
	ns, c := open(t, "refuse")
	routes := must[*netlink.RouteConn](t)(netlink.OpenRoutes(ns))
	t.Cleanup(func() { _ = routes.Close() })
	br := must[netlink.Link](t)(c.AddBridge(netlink.LinkSpec{Name: "br0"}))
	err := routes.Batch(netlink.LinkUp(4711), netlink.LinkUp(br.Index),
		netlink.Neighbour{Link: 4712, Addr: netip.MustParseAddr("192.0.2.1"), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}})
	if err == nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "index 4711 up") || !strings.Contains(err.Error(), "index 4712") {
		t.Errorf("refused: %v", err)
	}
	if link := must[netlink.Link](t)(c.Link("br0")); !link.Up {
		t.Error("the sound request was not done")
	}
}

func TestDeleteLinkFrom(t *testing.T) {
	ns, c := open(t, "delfrom")
	far, farConn := open(t, "delfar")
	spec := netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "a", Group: 7}, Peer: netlink.LinkSpec{Name: "b"}, PeerNS: far}
	for range 3 { // the name is free as soon as it returns
		a := must[netlink.Link](t)(c.AddVeth(spec))
		if a.Group != 7 {
			t.Errorf("group %d, want 7", a.Group)
		}
		if err := netlink.DeleteLinkFrom(ns, a.Index); err != nil {
			t.Fatal(err)
		}
		if _, err := farConn.Link("b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("far end: %v", err)
		}
		if err := netlink.DeleteLinkFrom(ns, a.Index); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("second delete: %v, want ErrNotExist", err)
		}
	}
}
