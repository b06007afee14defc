// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
)

// heldBench is a bridge with a connection that holds requests.
func heldBench(t *testing.T, name string) (c *netlink.RouteConn, br int) {
	ns, links := open(t, name)
	c = must[*netlink.RouteConn](t)(netlink.OpenRoutes(ns))
	t.Cleanup(func() { _ = c.Close() })
	return c, must[netlink.Link](t)(links.AddBridge(netlink.LinkSpec{Name: "br0", Up: true})).Index
}

func neighbour(link int, last byte) netlink.Neighbour {
	return netlink.Neighbour{Link: link, Addr: netip.AddrFrom4([4]byte{192, 0, 2, last}), MAC: net.HardwareAddr{2, 0, 0, 0, 0, last}}
}

func routeTo(link int, dst string) netlink.RouteChange {
	return netlink.RouteChange{Op: netlink.RouteAdd, Route: netlink.Route{Dst: netip.MustParsePrefix(dst), Type: netlink.RouteUnicast, Protocol: 80, Metric: 7,
		NextHops: []netlink.NextHop{{Link: link}}}}
}

// TestHeldGoesInFront of a change: each side hears of its own refusals, by its own numbers.
func TestHeldGoesInFront(t *testing.T) {
	c, br := heldBench(t, "held")
	down := must[[]netlink.Neighbour](t)(c.Neighbours(br))
	held := c.Hold([]netlink.Request{neighbour(4711, 1), neighbour(br, 2)})
	if now := must[[]netlink.Neighbour](t)(c.Neighbours(br)); len(now) != len(down) {
		t.Errorf("held, and sent all the same: %v", now)
	}
	refused, err := c.Change([]netlink.RouteChange{routeTo(br, "198.51.100.0/24"), routeTo(4712, "203.0.113.0/24")})
	if err != nil || len(refused) != 1 || refused[1] == nil || !strings.Contains(refused[1].Error(), "203.0.113.0/24") {
		t.Errorf("change: refused %v, error %v", refused, err)
	}
	if now := must[[]netlink.Neighbour](t)(c.Neighbours(br)); len(now) != len(down)+1 {
		t.Errorf("neighbours after the change: %v", now)
	}
	refused, err = held.Result()
	if err != nil || len(refused) != 1 || !errors.Is(refused[0], fs.ErrNotExist) || !strings.Contains(refused[0].Error(), "192.0.2.1") {
		t.Errorf("held: refused %v, error %v", refused, err)
	}
	if routes := must[[]netlink.Route](t)(c.List(80)); len(routes) != 1 {
		t.Errorf("routes %v", routes)
	}
}

// TestHeldIsSentInTheEnd: by Result, by the next that is held, and once only.
func TestHeldIsSentInTheEnd(t *testing.T) {
	c, br := heldBench(t, "heldend")
	first := c.Hold([]netlink.Request{neighbour(br, 1)})
	if err := c.Batch(); err != nil { // nothing to go in front of
		t.Fatal(err)
	}
	if now := must[[]netlink.Neighbour](t)(c.Neighbours(br)); len(now) > 0 {
		t.Errorf("after an empty batch: %v", now)
	}
	second := c.Hold([]netlink.Request{neighbour(br, 2), neighbour(4711, 3)})
	if now := must[[]netlink.Neighbour](t)(c.Neighbours(br)); len(now) != 1 || now[0].Addr != neighbour(br, 1).Addr {
		t.Errorf("when the second is held: %v", now)
	}
	if refused, err := first.Result(); len(refused) > 0 || err != nil {
		t.Errorf("first: %v, %v", refused, err)
	}
	for range 2 {
		if refused, err := second.Result(); len(refused) != 1 || refused[1] == nil || err != nil {
			t.Errorf("second: %v, %v", refused, err)
		}
	}
	if now := must[[]netlink.Neighbour](t)(c.Neighbours(br)); len(now) != 2 {
		t.Errorf("in the end: %v", now)
	}
}

// TestHeldOnAClosedConnection: both sides learn that the outcome is unknown.
func TestHeldOnAClosedConnection(t *testing.T) {
	c, br := heldBench(t, "heldclosed")
	held := c.Hold([]netlink.Request{neighbour(br, 1)})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Change([]netlink.RouteChange{routeTo(br, "198.51.100.0/24")}); err == nil {
		t.Error("a change over a closed connection is reported as done")
	}
	if _, err := held.Result(); err == nil {
		t.Error("what was held for a closed connection is reported as done")
	}
}
