// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzDecode feeds the decoders with arbitrary datagrams: they may refuse, never crash, and what they accept must survive the way
// back to the wire.
func FuzzDecode(f *testing.F) {
	for _, r := range []Route{
		{Dst: netip.MustParsePrefix("10.0.0.0/8"), Type: RouteBlackhole, Protocol: 119, Metric: 1024},
		{Dst: netip.MustParsePrefix("fd00::/64"), Type: RouteUnicast, NextHops: []NextHop{{Gateway: netip.MustParseAddr("fe80::1"), Link: 2}}},
		{Dst: netip.MustParsePrefix("10.0.0.0/8"), Type: RouteUnicast, NextHops: []NextHop{{Link: 2}}, MTU: 1400},
		{Dst: netip.MustParsePrefix("10.0.0.0/8"), Type: RouteUnicast, NextHops: []NextHop{{Link: 2}, {Gateway: netip.MustParseAddr("fe80::1"), Link: 3}}},
	} {
		var b builder
		b.appendChange(RouteChange{RouteReplace, r}, 1)
		f.Add(b.buf)
	}
	f.Add([]byte{32, 0, 0, 0, unix.RTM_NEWLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		for m, err := range messages(data) {
			if err != nil {
				return
			}
			_ = m.reply()
			ev, ok, err := decodeEvent(m)
			if err != nil || !ok || ev.Kind != EventRoute || ev.Route.Type == RouteBlackhole && len(ev.Route.NextHops) > 0 {
				continue
			}
			again := roundTrip(t, ev.Route)
			if !again.Equal(ev.Route) {
				t.Fatalf("%s came back as %s", ev.Route, again)
			}
		}
	})
}

func roundTrip(t *testing.T, r Route) Route {
	t.Helper()
	var b builder
	b.appendChange(RouteChange{RouteReplace, r}, 1)
	for m, err := range messages(b.buf) {
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := decodeRoute(m.body)
		if err != nil || !ok {
			t.Fatalf("%s: %v %v", r, ok, err)
		}
		return got.Route
	}
	t.Fatal("no message")
	return Route{}
}
