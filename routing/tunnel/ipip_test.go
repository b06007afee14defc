// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/netlink"
)

func wantedIPIP(local, addr string) desired.Tunnel {
	return desired.Tunnel{Kind: desired.IPIP, Name: netlink.FallbackIPIP, Local: netip.MustParseAddr(local), Addr: netip.MustParseAddr(addr)}
}

// ipipThere tells whether the kernel of the node has IP-in-IP. Asking loads the module.
func (n *node) ipipThere(t *testing.T) bool {
	t.Helper()
	_, err := n.links.IPIP(netlink.FallbackIPIP)
	return err == nil
}

// needIPIP skips a test on a kernel without IP-in-IP: make test-vm runs it on one that has it.
func needIPIP(t *testing.T, n *node) {
	t.Helper()
	if !n.ipipThere(t) {
		t.Skip("this kernel has no IP-in-IP; `make test-vm` runs this test on one that has it")
	}
}

// TestMissingKernelFeature: the error names the feature, its module and what to do instead.
func TestMissingKernelFeature(t *testing.T) {
	a, _ := pair(t)
	if a.ipipThere(t) {
		t.Skip("this kernel has IP-in-IP")
	}
	d := &desired.Delta{Tunnels: []desired.Tunnel{wantedIPIP("192.0.2.1", "10.65.0.0")}}
	check(t, a.state.Apply(d))
	r, err := a.m.Apply(t.Context(), a.state, d)
	for _, word := range []string{"IP-in-IP", "module ipip", "CONFIG_NET_IPIP", "vxlanMode"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v: want %q in it", err, word)
		}
	}
	if r.Failed[netlink.FallbackIPIP] == nil || a.m.InForce()[desired.IPIP].IsValid() {
		t.Errorf("report %v, in force %v", r, a.m.InForce())
	}
}

// TestIPIPPacketsPass sends a datagram through the tunnel, whose packets are wrapped for the next hop.
func TestIPIPPacketsPass(t *testing.T) {
	a, b := pair(t)
	needIPIP(t, a)
	for i, n := range []*node{a, b} {
		local, addr, other, peer := "192.0.2.1", "10.65.0.0", "192.0.2.2", "10.65.1.0"
		if i == 1 {
			local, addr, other, peer = other, peer, local, addr
		}
		n.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wantedIPIP(local, addr)}})
		link := must[netlink.Link](t)(n.links.Link(netlink.FallbackIPIP))
		if link.MTU != 1480 || !link.Up || n.m.InForce()[desired.IPIP] != netip.MustParseAddr(addr) {
			t.Errorf("device %+v, in force %v", link, n.m.InForce())
		}
		failed, err := n.kernel.Change([]netlink.RouteChange{{Op: netlink.RouteAdd, Route: netlink.Route{Dst: netip.MustParsePrefix(peer + "/32"), Type: netlink.RouteUnicast,
			Protocol: 3, NextHops: []netlink.NextHop{{Gateway: netip.MustParseAddr(other), Link: link.Index, OnLink: true}}}}})
		check(t, err)
		for _, err := range failed {
			t.Fatal(err)
		}
	}
	exchange(t, a.ns, b.ns, netip.MustParseAddr("10.65.1.0"))
}

// TestIPIPDeviceIsGivenBack: the kernel's own device is taken in hand, repaired, and left as it was found. In use by somebody else, it is
// left alone.
func TestIPIPDeviceIsGivenBack(t *testing.T) {
	a, _ := pair(t)
	needIPIP(t, a)
	before := must[netlink.Link](t)(a.links.Link(netlink.FallbackIPIP))
	d := &desired.Delta{Tunnels: []desired.Tunnel{wantedIPIP("192.0.2.1", "10.65.0.0")}}
	check(t, a.links.SetUp(before.Index, true))
	check(t, a.state.Apply(d))
	if _, err := a.m.Apply(t.Context(), a.state, d); err == nil || !strings.Contains(err.Error(), "not weft's") {
		t.Errorf("a device in use: %v", err)
	}
	check(t, a.links.SetUp(before.Index, false))
	must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
	check(t, a.links.SetMTU(before.Index, 1300))
	check(t, a.links.AddAddr(netlink.Addr{Link: before.Index, Prefix: netip.MustParsePrefix("198.51.100.1/32")}))
	if r := must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil)); r.Repaired != 2 {
		t.Errorf("repaired %d; want the MTU and the address", r.Repaired)
	}
	check(t, a.m.Remove(t.Context()))
	after := must[netlink.Link](t)(a.links.Link(netlink.FallbackIPIP))
	addrs := must[[]netlink.Addr](t)(a.links.Addrs(before.Index))
	if after.Up != before.Up || after.MTU != before.MTU || after.Group != before.Group || len(addrs) > 0 {
		t.Errorf("left as %+v with %v; found as %+v", after, addrs, before)
	}
}
