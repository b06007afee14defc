// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
)

// TestTrafficThroughRestarts restarts the agents of a cluster of two subnets, as an upgrade does: within and between hosts and subnets, and
// from behind the ToR, no packet is lost; the neighbours keep the routes (graceful restart, RFC 4724).
func TestTrafficThroughRestarts(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "restarts", Nodes: 3, Subnets: 2})
	c.shop()
	c.add("n3", "backend-beyond", "backend")
	c.converge()
	usualAndOutside := func(tr *traffic) {
		usual(tr)
		tr.ping("shop/backend-beyond", "shop/frontend-far")
		tr.stream("shop/backend-beyond", "shop/database")
		for _, w := range []string{"frontend-near", "backend-far", "backend-beyond"} {
			tr.ping(lab.External, "shop/"+w)
		}
		tr.denied(lab.External, "shop/database")
	}
	c.during("restarts", usualAndOutside, func() {
		for range rounds(1, 10) {
			for _, node := range []string{"n1", "n3"} {
				if err := c.RestartAgent(t.Context(), node); err != nil {
					t.Fatal(err)
				}
				c.converge()
				c.sessionsUp()
			}
		}
	})
	c.during("kills", usualAndOutside, func() {
		for range rounds(1, 10) {
			c.crash("n2")
			c.converge()
			c.sessionsUp()
		}
	})
	c.intact("n1")
}

// sessionsUp waits until every BGP session of every node is established.
func (c *cluster) sessionsUp() {
	c.t.Helper()
	for _, node := range c.Nodes() {
		c.eventually("BGP of "+node, func() error {
			s, err := c.status(node)
			if err != nil {
				return err
			}
			for _, p := range s.BGP.Peers {
				if p.State != "Established" {
					return errorf("%s (%s) is %s %s", p.Name, p.Address, p.State, p.Error)
				}
			}
			if len(s.BGP.Peers) == 0 {
				return errors.New("no peers")
			}
			return nil
		})
	}
}

// TestTrafficThroughForeignDamage deletes the policy table and routes under traffic. Without a table nothing is kept out, which no agent
// can help; what is allowed must not suffer, and the table has to be back at once.
func TestTrafficThroughForeignDamage(t *testing.T) {
	c := up(t, "tdamage", 2)
	c.shop()
	tr := c.newTraffic()
	// Without the table the kernel tracks no connections: of a handshake in that moment the second half is of no known connection.
	tr.handshake = 4 * time.Second
	usual(tr)
	// For the same reason a flow's first answer, which waits for its neighbour's address, would be dropped if the table came back before it.
	tr.established()
	for range rounds(5, 50) {
		before, err := c.status("n1")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteTable(t.Context(), "n1"); err != nil {
			t.Fatal(err)
		}
		c.repaired("n1", dataplane, before.Dataplane.Repaired)
		time.Sleep(2 * apart) // so that the windows can be told from each other
	}
	tr.end()
	tr.report("tables deleted")
	t.Logf("%d tables deleted; denied packets passed: %v, new flows in windows of %v", rounds(5, 50), tr.seen, windows(tr.opened))
	c.during("after the damage", usual, func() { c.routesComeBack() })
	c.intact("n1")
}

// apart is the least distance between moments of two windows.
const apart = 50 * time.Millisecond

// windows joins datagrams that arrived close to each other and returns how long each group lasted. Every datagram is a flow of its own;
// pings and connections that got through once stay established after the table is back, so they tell nothing about it.
func windows(opened []opening) []time.Duration {
	var out []time.Duration
	var first, last time.Duration
	for _, o := range opened {
		if o.protocol != "udp" {
			continue
		}
		if len(out) == 0 || o.at-last > apart {
			out, first = append(out, 0), o.at
		}
		last = o.at
		out[len(out)-1] = (last - first).Round(100 * time.Microsecond)
	}
	return out
}

// routesComeBack deletes the routes of a workload that none of the traffic needs, while it flows.
func (c *cluster) routesComeBack() {
	c.t.Helper()
	w := c.add("n1", "victim", "victim")
	c.converge()
	for _, addr := range w.Addresses {
		before, err := c.status("n1")
		if err != nil {
			c.t.Fatal(err)
		}
		if err := c.DeleteRoute(c.t.Context(), "n1", netip.PrefixFrom(addr, addr.BitLen())); err != nil {
			c.t.Fatal(err)
		}
		c.repaired("n1", routes, before.Routes.Repaired)
	}
}
