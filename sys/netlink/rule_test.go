// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// TestRules: a rule sends packets without its mark to its table, which has what it was given; both are listed as they were made, and go again.
func TestRules(t *testing.T) {
	tb := openTable(t, "rules")
	rules := []netlink.Rule{
		{Priority: 99, Mark: own.UnderlayMark, Table: 7, Protocol: proto}, {IPv6: true, Priority: 98, Mark: own.UnderlayMark, Table: 1000, Protocol: proto},
	}
	routes := []netlink.TableRoute{
		{Table: 7, Dst: netip.MustParseAddr("203.0.113.9"), Src: netip.MustParseAddr("192.0.2.1"), Link: tb.up[1], Protocol: proto},
		{Table: 1000, Dst: netip.MustParseAddr("2001:db8:9::9"), Src: netip.MustParseAddr("2001:db8::1"), Link: tb.up[1], Protocol: proto},
	}
	monitor, err := netlink.OpenTunnelMonitor(tb.ns, nil)
	check(t, err)
	defer func() { check(t, monitor.Close()) }()
	check(t, tb.routes.Batch(routes[0], routes[1], routes[1], rules[0], rules[1]))
	for seen := 0; seen < len(rules); {
		events, err := monitor.Next()
		check(t, err)
		for _, ev := range events {
			if ev.Kind == netlink.EventRule && ev.Protocol == proto && !ev.Deleted {
				seen++
			}
		}
	}
	if err := tb.routes.Batch(rules[0]); err == nil {
		t.Error("a rule is made twice")
	}
	have, err := tb.routes.Rules(proto)
	check(t, err)
	if !slices.Equal(have, rules) {
		t.Errorf("%v\nwant %v", have, rules)
	}
	for i, want := range routes {
		have, err := tb.routes.Table(want.Table)
		check(t, err)
		if !slices.Equal(have, []netlink.TableRoute{want}) {
			t.Errorf("%v; want %v", have, want)
		}
		// Lookups go below.
		found, err := tb.routes.Lookup([]netip.Addr{want.Dst})
		check(t, err)
		if found[0].Err == nil {
			t.Errorf("%s is looked up in table %d: %v", want.Dst, want.Table, found[0].Route)
		}
		check(t, tb.routes.Batch(netlink.TableRouteDelete(want), netlink.RuleDelete(rules[i])))
	}
	have, err = tb.routes.Rules(proto)
	check(t, err)
	if len(have) != 0 {
		t.Errorf("%v is left", have)
	}
	if tb.routes.Batch(netlink.RuleDelete(rules[0])) == nil {
		t.Error("what is not there is deleted")
	}
}
