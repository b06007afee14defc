// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
)

func TestVXLAN(t *testing.T) {
	ns, c := open(t, "vxlan")
	conn := must[*netlink.RouteConn](t)(netlink.OpenRoutes(ns))
	t.Cleanup(func() { _ = conn.Close() })
	mac := net.HardwareAddr{0x66, 1, 2, 3, 4, 5}
	for _, local := range []string{"192.0.2.1", "2001:db8::1"} {
		t.Run(local, func(t *testing.T) {
			spec := netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: "vx0", MTU: 1430, MAC: mac}, VNI: 4096, Port: 4789, Local: netip.MustParseAddr(local)}
			made := must[netlink.Link](t)(c.AddVXLAN(spec))
			got, link, err := c.VXLAN("vx0")
			want := spec
			want.LinkSpec = netlink.LinkSpec{}
			if err != nil || got.VNI != want.VNI || got.Port != want.Port || got.Local != want.Local || link.MTU != 1430 || link.MAC.String() != mac.String() {
				t.Errorf("made %+v %+v, %v; want %+v", got, link, err, want)
			}
			peer := netlink.FDBEntry{Link: made.Index, MAC: net.HardwareAddr{0x66, 9, 9, 9, 9, 9}, Remote: netip.MustParseAddr(local).Next()}
			neighbour := netlink.Neighbour{Link: made.Index, Addr: netip.MustParseAddr("10.65.0.1"), MAC: peer.MAC}
			for range 2 { // both replace what is there
				if err := conn.Batch(netlink.LinkUp(made.Index), peer, neighbour); err != nil {
					t.Fatal(err)
				}
			}
			moved := peer
			moved.Remote = moved.Remote.Next()
			if err := conn.Batch(moved); err != nil {
				t.Fatal(err)
			}
			same := func(a, b netlink.FDBEntry) bool { return a.String() == b.String() }
			if got := must[[]netlink.FDBEntry](t)(conn.FDB(made.Index)); !slices.EqualFunc(got, []netlink.FDBEntry{moved}, same) {
				t.Errorf("forwarding entries %v, want %v", got, moved)
			}
			if got := must[[]netlink.Neighbour](t)(conn.Neighbours(made.Index)); len(got) != 1 || got[0].String() != neighbour.String() {
				t.Errorf("neighbours %v, want %v", got, neighbour)
			}
			if err := conn.Batch(netlink.FDBDelete(moved), netlink.NeighbourDelete{Link: made.Index, Addr: neighbour.Addr}); err != nil {
				t.Fatal(err)
			}
			if got := must[[]netlink.FDBEntry](t)(conn.FDB(made.Index)); len(got) != 0 {
				t.Errorf("forwarding entries after the deletion: %v", got)
			}
			if got := must[[]netlink.Neighbour](t)(conn.Neighbours(made.Index)); len(got) != 0 {
				t.Errorf("neighbours after the deletion: %v", got)
			}
			if err := c.DeleteLink(made.Index); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestVXLANOfAnotherKind(t *testing.T) {
	_, c := open(t, "novxlan")
	must[netlink.Link](t)(c.AddBridge(netlink.LinkSpec{Name: "br0"}))
	if _, _, err := c.VXLAN("br0"); err == nil {
		t.Error("a bridge passes for a VXLAN device")
	}
}

func TestTunnelMonitor(t *testing.T) {
	ns, c := open(t, "tunmon")
	conn := must[*netlink.RouteConn](t)(netlink.OpenRoutes(ns))
	t.Cleanup(func() { _ = conn.Close() })
	vx := must[netlink.Link](t)(c.AddVXLAN(netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: "vx0", Up: true}, VNI: 1, Port: 4789, Local: netip.MustParseAddr("192.0.2.1")}))
	entry := netlink.FDBEntry{Link: vx.Index, MAC: net.HardwareAddr{0x66, 9, 9, 9, 9, 9}, Remote: netip.MustParseAddr("192.0.2.2")}
	if err := conn.Batch(entry); err != nil {
		t.Fatal(err)
	}
	m := must[*netlink.Monitor](t)(netlink.OpenTunnelMonitor(ns, conn))
	t.Cleanup(func() { _ = m.Close() })
	if err := conn.Batch(netlink.FDBDelete(entry)); err != nil {
		t.Fatal(err)
	}
	for {
		events := must[[]netlink.Event](t)(m.Next()) // hangs, and the test times out, if the deletion is not told
		if slices.ContainsFunc(events, func(e netlink.Event) bool {
			return e.Kind == netlink.EventNeighbour && e.Deleted && e.Link.Index == vx.Index &&
				e.Neighbour.Remote == entry.Remote && e.Neighbour.MAC.String() == entry.MAC.String()
		}) {
			return
		}
	}
}
