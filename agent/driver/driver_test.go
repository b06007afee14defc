// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package driver_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/driver"
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// kernel is what a kind of driver works on: it outlives the drivers.
type kernel struct {
	kind     string
	log      *[]string
	unusable string
	fail     error // of Apply
	refused  map[dataplane.Setting]error
	stuck    error // of Remove
	holds    bool
	drivers  int // open ones
	kin      *kernel
}

// twin is a fake driver on such a kernel.
type twin struct {
	*dataplane.Fake
	k *kernel
}

func (k *kernel) open() (driver.Driver, error) {
	k.drivers++
	return &twin{dataplane.NewFake(), k}, nil
}

func (d *twin) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	if d.k.fail != nil {
		return dataplane.Report{}, d.k.fail
	}
	report, err := d.Fake.Apply(ctx, view, delta)
	report.Settings = d.k.refused
	d.k.holds = true
	*d.k.log = append(*d.k.log, d.k.kind+" programmed")
	if d.k.kin != nil && d.k.kin.holds { // as the flavours of iptables do
		d.k.kin.holds = false
		*d.k.log = append(*d.k.log, d.k.kin.kind+" removed")
	}
	return report, err
}

func (d *twin) Probe(context.Context) (dataplane.Caps, error) {
	if d.k.unusable != "" {
		return dataplane.Caps{Reasons: []string{d.k.unusable}}, nil
	}
	return dataplane.Caps{Usable: true}, nil
}

func (d *twin) Remove(context.Context) error {
	if d.k.stuck != nil {
		return d.k.stuck
	}
	if d.k.kin != nil {
		d.k.kin.holds = false // one family: it takes what both have
	}
	if d.k.holds {
		*d.k.log = append(*d.k.log, d.k.kind+" removed")
	}
	d.k.holds = false
	return nil
}

func (d *twin) Close() error { d.k.drivers--; return nil }

// node is a switch between twins.
type node struct {
	t                *testing.T
	nft, ipt, legacy *kernel
	log              []string
	s                *driver.Switch
	view             *desired.State
}

func newNode(t *testing.T) *node {
	n := &node{t: t, view: desired.NewState()}
	n.nft, n.ipt, n.legacy = &kernel{kind: driver.NFTables}, &kernel{kind: driver.IPTablesNFT}, &kernel{kind: driver.IPTablesLegacy}
	n.ipt.kin, n.legacy.kin = n.legacy, n.ipt
	for _, k := range n.kernels() {
		k.log = &n.log
	}
	n.restart()
	id := rule.PolicyID{Kind: rule.KindProfile, Name: "open"}
	n.change(&desired.Delta{
		Policies: []*desired.Policy{{ID: id}},
		Endpoints: []*desired.Endpoint{{
			ID: desired.EndpointID{Namespace: "ns", Name: "a"}, Interface: "cali1", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Profiles: []rule.PolicyID{id},
		}},
	})
	return n
}

func (n *node) kernels() []*kernel { return []*kernel{n.nft, n.ipt, n.legacy} }

func flavour(legacy bool) func() (string, string) {
	return func() (string, string) {
		if legacy {
			return driver.IPTablesLegacy, "others use legacy"
		}
		return driver.IPTablesNFT, "nothing speaks against it"
	}
}

// restart makes a new switch on the same kernels, as after a crash.
func (n *node) restart() {
	var kinds []driver.Kind
	for _, k := range n.kernels() {
		k.drivers = 0
		family := ""
		if k != n.nft {
			family = driver.IPTables
		}
		kinds = append(kinds, driver.Kind{Name: k.kind, Family: family, Open: k.open})
	}
	n.s = driver.New(kinds, flavour(false), slog.New(slog.DiscardHandler))
}

func (n *node) change(d *desired.Delta) {
	n.t.Helper()
	if err := n.view.Apply(d); err != nil {
		n.t.Fatal(err)
	}
}

// want applies with a setting and returns what happened to the kernel.
func (n *node) want(name string) (log []string, err error) {
	n.t.Helper()
	settings := *desired.DefaultSettings()
	settings.Driver = name
	d := &desired.Delta{Settings: &settings}
	n.change(d)
	n.log = nil
	_, err = n.s.Apply(n.t.Context(), n.view, d)
	return n.log, err
}

// inForce checks which kernels hold policy, and that only the driver in use is open.
func (n *node) inForce(when string, want ...*kernel) {
	n.t.Helper()
	for _, k := range n.kernels() {
		if k.holds != slices.Contains(want, k) {
			n.t.Errorf("%s: %s holds policy: %v", when, k.kind, k.holds)
		}
		open := 0
		if k.kind == n.s.Decision().Driver {
			open = 1
		}
		if k.drivers != open {
			n.t.Errorf("%s: %d drivers of %s are open, want %d", when, k.drivers, k.kind, open)
		}
	}
}

func (n *node) expect(when string, got []string, err error, want ...string) {
	n.t.Helper()
	if err != nil || !slices.Equal(got, want) {
		n.t.Errorf("%s: %v, %v; want %v", when, got, err, want)
	}
}

func TestTheNewDriverIsCompleteBeforeTheOldGoes(t *testing.T) {
	n := newNode(t)
	got, err := n.want("")
	n.expect("at the start", got, err, "nftables programmed")
	n.inForce("at the start", n.nft)
	for _, step := range []struct{ wanted, from, to string }{
		{driver.IPTablesNFT, driver.NFTables, driver.IPTablesNFT}, {driver.IPTablesLegacy, driver.IPTablesNFT, driver.IPTablesLegacy},
		{driver.NFTables, driver.IPTablesLegacy, driver.NFTables},
	} {
		got, err = n.want(step.wanted)
		n.expect(step.wanted, got, err, step.to+" programmed", step.from+" removed")
		if d := n.s.Decision(); d.Driver != step.to || d.Unmet != "" || d.Reason == "" {
			t.Errorf("decision %+v", d)
		}
	}
	n.inForce("in the end", n.nft)
	if _, err := n.s.Apply(t.Context(), n.view, &desired.Delta{}); err != nil {
		t.Errorf("a further change: %v", err)
	}
}

func TestADriverThatFailsLeavesTheOldInForce(t *testing.T) {
	n := newNode(t)
	if _, err := n.want(""); err != nil {
		t.Fatal(err)
	}
	n.ipt.unusable = "no module"
	got, err := n.want(driver.IPTablesNFT)
	n.expect("not usable", got, err, "nftables programmed")
	if d := n.s.Decision(); d.Driver != driver.NFTables || !strings.Contains(d.Unmet, "no module") || len(d.Rejected) != 1 {
		t.Errorf("decision %+v; want the reason named", d)
	}
	n.inForce("not usable", n.nft)

	n.ipt.unusable, n.ipt.fail = "", errors.New("no memory")
	n.log = nil
	if _, err = n.s.Apply(t.Context(), n.view, nil); err != nil {
		t.Error(err)
	}
	n.expect("usable, but not to be programmed", n.log, nil, "nftables programmed")
	if d := n.s.Decision(); d.Driver != driver.NFTables || !strings.Contains(d.Unmet, "no memory") {
		t.Errorf("decision %+v; want the reason named", d)
	}
	n.inForce("not to be programmed", n.nft)

	n.ipt.fail, n.log = nil, nil
	if _, err = n.s.Apply(t.Context(), n.view, nil); err != nil {
		t.Error(err)
	}
	n.expect("in order again", n.log, nil, "iptables-nft programmed", "nftables removed")
	if d := n.s.Decision(); d.Driver != driver.IPTablesNFT || d.Unmet != "" {
		t.Errorf("decision %+v", d)
	}
}

// TestADriverThatRefusesASettingIsNotTaken, unless the one in use refuses it too.
func TestADriverThatRefusesASettingIsNotTaken(t *testing.T) {
	n := newNode(t)
	if _, err := n.want(""); err != nil {
		t.Fatal(err)
	}
	n.ipt.refused = map[dataplane.Setting]error{dataplane.DenyAction: errors.New("no target")}
	if _, err := n.want(driver.IPTablesNFT); err != nil {
		t.Error(err)
	}
	if d := n.s.Decision(); d.Driver != driver.NFTables || !strings.Contains(d.Unmet, "no target") || !strings.Contains(d.Unmet, "iptablesFilterDenyAction") {
		t.Errorf("decision %+v; want the setting named", d)
	}
	n.inForce("refused by the new one", n.nft)
	n.nft.refused = n.ipt.refused
	for range 2 { // the first tells of the one in use
		if _, err := n.s.Apply(t.Context(), n.view, nil); err != nil {
			t.Error(err)
		}
	}
	if d := n.s.Decision(); d.Driver != driver.IPTablesNFT {
		t.Errorf("decision %+v; want the wanted one, which is no worse", d)
	}
}

func TestWhatACrashLeavesIsRemovedAtTheEnd(t *testing.T) {
	n := newNode(t)
	n.nft.holds, n.legacy.holds = true, true // the agent died between programming one and removing the other
	got, err := n.want(driver.IPTablesLegacy)
	n.expect("after the crash", got, err, "iptables-legacy programmed", "nftables removed")
	n.inForce("after the crash", n.legacy)

	n.nft.stuck = errors.New("busy")
	n.nft.holds = true
	n.restart()
	n.log = nil
	if _, err := n.s.Apply(t.Context(), n.view, nil); !errors.Is(err, n.nft.stuck) || !strings.Contains(err.Error(), "nftables") {
		t.Errorf("what cannot be removed is an error that names it: %v", err)
	}
	n.nft.stuck = nil
	if _, err := n.s.Apply(t.Context(), n.view, nil); err != nil {
		t.Error(err)
	}
	n.inForce("once it could be removed", n.legacy)
	n.nft.unusable, n.nft.stuck = "no nf_tables", errors.New("not supported")
	n.restart()
	if _, err := n.s.Apply(t.Context(), n.view, nil); err != nil {
		t.Errorf("a driver that cannot work here has left nothing: %v", err)
	}
}

func TestNoDriverIsUsable(t *testing.T) {
	n := newNode(t)
	for _, k := range n.kernels() {
		k.unusable = "no module for " + k.kind
	}
	_, err := n.want("")
	if err == nil || !strings.Contains(err.Error(), "no module for iptables-legacy") || n.s.Events() != nil {
		t.Errorf("error %v; want the reasons", err)
	}
	n.legacy.unusable = ""
	got, err := n.want(driver.NFTables)
	n.expect("one is usable now", got, err, "iptables-legacy programmed")
	if d := n.s.Decision(); d.Unmet == "" {
		t.Errorf("decision %+v; want it to say that nftables was asked for", d)
	}
}

func TestChoose(t *testing.T) {
	nft, ipt, legacy := driver.NFTables, driver.IPTablesNFT, driver.IPTablesLegacy
	cases := map[string]struct {
		wanted, current string
		legacyTables    bool
		broken          []string
		want            string
		rejected        int
		unmet           bool
	}{
		"no wish":                           {want: nft},
		"no wish, no nftables":              {broken: []string{nft}, want: ipt, rejected: 1},
		"no wish, others use legacy":        {broken: []string{nft}, legacyTables: true, want: legacy, rejected: 1},
		"iptables":                          {wanted: driver.IPTables, want: ipt},
		"iptables, others use legacy":       {wanted: driver.IPTables, legacyTables: true, want: legacy},
		"iptables, one kind only":           {wanted: driver.IPTables, broken: []string{ipt}, want: legacy, rejected: 1},
		"named":                             {wanted: legacy, current: nft, want: legacy},
		"named and broken":                  {wanted: ipt, current: legacy, broken: []string{ipt}, want: legacy, rejected: 1, unmet: true},
		"named and broken, at the start":    {wanted: ipt, broken: []string{ipt}, want: nft, rejected: 1, unmet: true},
		"iptables broken, at the start":     {wanted: driver.IPTables, broken: []string{ipt, legacy}, want: nft, rejected: 2, unmet: true},
		"unknown":                           {wanted: "pf", current: nft, broken: []string{"pf"}, want: nft, rejected: 1, unmet: true},
		"nothing works":                     {broken: []string{nft, ipt, legacy}, rejected: 3, unmet: true},
		"nothing works, with one in use":    {current: nft, broken: []string{nft, ipt, legacy}, want: nft, rejected: 3, unmet: true},
		"the wanted one is in use":          {wanted: ipt, current: ipt, want: ipt},
		"in use, but the settings are gone": {current: legacy, want: nft},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			probed := map[string]int{}
			d := driver.Choose(driver.Facts{Wanted: c.wanted, Current: c.current, Flavour: flavour(c.legacyTables), Probe: func(name string) error {
				probed[name]++
				if slices.Contains(c.broken, name) {
					return errors.New("broken")
				}
				return nil
			}})
			if d.Driver != c.want || len(d.Rejected) != c.rejected || (d.Unmet != "") != c.unmet || (d.Reason == "") != (d.Driver == "") {
				t.Errorf("%+v", d)
			}
			for name, n := range probed {
				if n > 1 {
					t.Errorf("%s was probed %d times", name, n)
				}
			}
		})
	}
}
