// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
)

// TestMesh: routes are learned, programmed, used; and go with the node.
func TestMesh(t *testing.T) {
	f := newFabric(t, "mesh")
	a, b, c := f.node(11), f.node(12), f.node(13)
	mesh(a, b, c)
	a.holds(blocksOf(12, 13)...)
	b.holds(blocksOf(11, 13)...)
	c.holds(blocksOf(11, 12)...)
	for _, to := range []int{12, 13} {
		v4, v6 := podAddrs(to)
		f.reach(a.pods[0], v4)
		f.reach(a.pods[0], v6)
	}
	// Deleted by hand, it comes back at once.
	start := time.Now()
	b12, _ := blocks(12)
	a.run("ip", "route", "del", b12.String())
	a.holds(blocksOf(12, 13)...)
	t.Logf("deleted by hand, back after %s", time.Since(start).Round(time.Millisecond))
	a.run("ip", "link", "set", "eth0", "down")
	a.holds()
	a.run("ip", "link", "set", "eth0", "up")
	a.run("ip", "addr", "add", a.v6.String()+"/64", "dev", "eth0", "nodad")
	a.holds(blocksOf(12, 13)...)
	// A node that leaves for good, not to come back.
	c.want.BGP = nil
	c.up()
	c.holds()
	a.holds(blocksOf(12)...)
	b.holds(blocksOf(11)...)
}

// TestKillUnderTraffic kills a node's process with SIGKILL while packets flow through its kernel in both families: none is lost, not
// while it is away, nor when it is back. What others withdrew meanwhile, and what it itself no longer announces, is pruned.
func TestKillUnderTraffic(t *testing.T) {
	f := newFabric(t, "kill")
	a, b, c := f.node(11), f.node(12), f.node(13)
	extra := netip.MustParsePrefix("10.65.99.0/26")
	b.want.BGP.Advertise = append(b.want.BGP.Advertise, extra)
	gone := netip.MustParsePrefix("10.65.98.0/26")
	c.want.BGP.Advertise = append(c.want.BGP.Advertise, gone)
	mesh(a, b, c)
	withExtra := append(blocksOf(12, 13), extra.String(), gone.String())
	a.holds(withExtra...)
	b.holds(append(blocksOf(11, 13), gone.String())...)
	v4, v6 := podAddrs(12)
	f.reach(a.pods[0], v4)
	f.reach(a.pods[0], v6)
	stop4, stop6 := f.flood(a.pods[0], v4), f.flood(a.pods[0], v6)
	f.check(b.process.Kill())
	f.eventually(func() (string, bool) { return "the others do not notice", a.sessions() == 2 && c.sessions() == 2 })
	a.holds(withExtra...)
	c.want.BGP.Advertise = c.want.BGP.Advertise[:2]
	c.up()
	a.holds(append(blocksOf(12, 13), extra.String())...)
	b.holds(append(blocksOf(11, 13), gone.String())...) // nobody is there to learn of it
	b.want.BGP.Advertise = b.want.BGP.Advertise[:2]
	start := time.Now()
	b.up()
	a.holds(blocksOf(12, 13)...)
	b.holds(blocksOf(11, 13)...)
	t.Logf("everything as it should be %s after the new start", time.Since(start).Round(10*time.Millisecond))
	stop4()
	stop6()
}

// TestPeerNeverComesBack: a dead node's routes are kept for its restart time, and no longer.
func TestPeerNeverComesBack(t *testing.T) {
	f := newFabric(t, "dead")
	a, b := f.node(11), f.node(12)
	for _, n := range []*node{a, b} {
		n.peer(23-n.i, nodeAS, func(p *desired.Peer) { p.RestartSeconds = 2 })
		n.up()
	}
	a.holds(blocksOf(12)...)
	f.check(b.process.Kill())
	a.holds()
	b.holds(blocksOf(11)...)
}
