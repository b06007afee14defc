// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"fmt"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/xtables"
)

// counted counts the whole tables that are read.
type counted struct {
	xtables.Tables
	saves int
}

func (c *counted) Save(ctx context.Context, v6 bool, table string) (*xtables.Table, error) {
	c.saves++
	return c.Tables.Save(ctx, v6, table)
}

// TestOwnChangesAreNotLookedAt: signs of the driver's own changes have nobody read the tables; the sign of a foreign one that comes behind them has.
func TestOwnChangesAreNotLookedAt(t *testing.T) {
	for _, flavour := range flavours {
		t.Run(string(flavour), func(t *testing.T) {
			t.Setenv("XTABLES_LOCKFILE", t.TempDir()+"/lock")
			ns, view := netnstest.New(t), twoPolicies(t, allow(rule.Match{}), 1)
			d := openDriver(t, ns, Options{Flavour: flavour, lookEvery: never})
			apply(t, d, view, nil)
			d.mu.Lock()
			tables := &counted{Tables: d.tables}
			d.tables = tables
			d.mu.Unlock()
			for i := range 5 {
				r := allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(uint16(80 + i))}})
				r.ID = rule.ID(fmt.Sprint("changed", i))
				delta := &desired.Delta{Policies: []*desired.Policy{{ID: np("good"), Rules: [2][]rule.Rule{{r}, nil}}}}
				if err := view.Apply(delta); err != nil {
					t.Fatal(err)
				}
				apply(t, d, view, delta)
			}
			tool(t, ns, "xtables-"+string(flavour)+"-multi", "iptables", "-F", "weft-to")
			signalled(t, d)
			d.mu.Lock()
			defer d.mu.Unlock()
			if tables.saves > len(tableKeys()) {
				t.Errorf("%d whole tables were read for five changes of our own and a foreign one; want those of the foreign one alone", tables.saves)
			}
		})
	}
}
