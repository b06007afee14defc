// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"testing"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// TestMTU: interfaces have the automatic size and follow it while they run, but for those whose network configuration states one.
func TestMTU(t *testing.T) {
	n := start(t, "")
	n.backend.set(func() { n.backend.mtu = 1450 })
	auto, stated := netnstest.New(t), netnstest.New(t)
	n.add(container("auto", auto, pod("auto")...))
	list := n.conf("1.1.0", dualStack+`,"mtu":1400`)
	if _, err := n.runtime.AddNetworkList(t.Context(), list, container("stated", stated, pod("stated")...)); err != nil {
		t.Fatal(err)
	}
	n.wantMTU(auto, 1450)
	n.wantMTU(stated, 1400)
	n.backend.set(func() { n.backend.mtu = 1350 })
	must(t, n.server.Resize(1350))
	n.wantMTU(auto, 1350)
	n.wantMTU(stated, 1400)
	n.stop()
	next := start(t, n.dir)
	next.backend.set(func() { next.backend.mtu = 8950 })
	must(t, next.server.Resize(8950))
	n.wantMTU(auto, 8950)
	n.wantMTU(stated, 1400)
}

// wantMTU fails unless a container's interface has the MTU.
func (n *node) wantMTU(ns *netns.NS, want int) {
	n.Helper()
	conn, err := netlink.Open(ns)
	must(n, err)
	defer conn.Close()
	link, err := conn.Link("eth0")
	must(n, err)
	if link.MTU != want {
		n.Errorf("MTU %d, want %d", link.MTU, want)
	}
}
