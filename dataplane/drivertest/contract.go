// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// Contract runs the part of the suite that needs no packets: what Apply reports, what is refused, and what outlives a driver. The fake driver
// passes it too.
func Contract(t *testing.T, open Open) {
	for name, test := range map[string]func(*contract){
		"reports": (*contract).reports, "refusals": (*contract).refusals, "restart": (*contract).restart, "cancelled": (*contract).cancelled, "removal": (*contract).removal,
	} {
		t.Run(name, func(t *testing.T) {
			c := &contract{T: t, ns: netnstest.New(t), open: open}
			c.start()
			t.Cleanup(func() { must(t, c.driver.Close()) })
			test(c)
		})
	}
}

// contract is a driver in a namespace of its own.
type contract struct {
	*testing.T
	ns     *netns.NS
	open   Open
	driver Driver
}

func (c *contract) start() {
	c.Helper()
	must(c, c.ns.Do(func() (err error) {
		c.driver, err = c.open(c)
		return err
	}))
}

// state has two workloads and two host endpoints.
func (c *contract) state() *desired.State {
	s := world(c, rule.Allow, 1, 2)
	must(c, s.Apply(&desired.Delta{
		Policies:      []*desired.Policy{allowWeb},
		HostEndpoints: []*desired.HostEndpoint{at(uplink, desired.HostEndpoint{Normal: inWay(allowWeb)}), at(desired.AnyInterface, desired.HostEndpoint{})},
	}))
	return s
}

// programs applies a view and wants a report of exactly these endpoints.
func (c *contract) programs(what string, view desired.View, delta *desired.Delta, want ...desired.EndpointID) {
	c.Helper()
	r, err := c.driver.Apply(c.Context(), view, delta)
	must(c, err)
	got := slices.SortedFunc(slices.Values(r.Programmed), desired.EndpointID.Compare)
	slices.SortFunc(want, desired.EndpointID.Compare)
	if !slices.Equal(got, want) || len(r.Failed) > 0 || r.Repaired != 0 {
		c.Errorf("%s: programmed %v, failed %v, repaired %d; want %v programmed and no more", what, got, r.Failed, r.Repaired, want)
	}
}

func allIDs(view desired.View) []desired.EndpointID {
	var ids []desired.EndpointID
	for e := range view.Endpoints() {
		ids = append(ids, e.ID)
	}
	for e := range view.HostEndpoints() {
		ids = append(ids, e.ID)
	}
	return ids
}

// reports: a full Apply reports all endpoints, a delta those that it names.
func (c *contract) reports() {
	if caps, err := c.driver.Probe(c.Context()); err != nil || !caps.Usable {
		c.Fatalf("not usable here: %v, %v", caps.Reasons, err)
	}
	s := c.state()
	c.programs("first", s, nil, allIDs(s)...)
	c.programs("again", s, nil, allIDs(s)...)
	next := desired.Snapshot(s)
	e, _ := s.Endpoint(desired.EndpointID{Name: Workload(1)})
	changed := *e
	changed.Profiles = nil
	delta := &desired.Delta{Endpoints: []*desired.Endpoint{&changed}}
	must(c, next.Apply(delta))
	c.programs("one endpoint changed", next, delta, changed.ID)
	gone := &desired.Delta{EndpointsRemoved: []desired.EndpointID{changed.ID}}
	must(c, next.Apply(gone))
	c.programs("one endpoint removed", next, gone)
	c.programs("all that is left", next, nil, allIDs(next)...)
}

// refusals: what cannot be programmed is reported with the reason, until it can; the rest is in force.
func (c *contract) refusals() {
	s := c.state()
	c.programs("first", s, nil, allIDs(s)...)
	name := Workload(3)
	id := desired.EndpointID{Name: name}
	lost := rule.PolicyID{Kind: rule.KindProfile, Name: "lost"}
	for _, bad := range []struct {
		endpoint desired.Endpoint
		reason   string
	}{
		{desired.Endpoint{ID: id, Interface: "a-name-that-is-too-long"}, "interface name"},
		{desired.Endpoint{ID: id}, "interface name"},
		{desired.Endpoint{ID: id, Interface: Workload(1)}, "belongs to endpoint"},
		{desired.Endpoint{ID: id, Interface: name, Addrs: []netip.Addr{WorkloadAddr(3, false)}, Profiles: []rule.PolicyID{lost}}, "lost"},
	} {
		worse := desired.Snapshot(s)
		delta := &desired.Delta{Endpoints: []*desired.Endpoint{&bad.endpoint}}
		deltas := []*desired.Delta{delta, nil}
		if err := worse.Apply(delta); err != nil { // a delta never leads to what is lost
			deltas = deltas[1:]
		}
		for _, d := range deltas {
			r, err := c.driver.Apply(c.Context(), worse, d)
			must(c, err)
			if ids := slices.Collect(maps.Keys(r.Failed)); len(ids) != 1 || ids[0] != id || !strings.Contains(r.Failed[id].Error(), bad.reason) {
				c.Errorf("%+v: failed %v; want %v because of %q", bad.endpoint, r.Failed, id, bad.reason)
			}
			if slices.Contains(r.Programmed, id) || d == nil && len(r.Programmed) != len(allIDs(s)) {
				c.Errorf("%+v: programmed %v; want the others", bad.endpoint, r.Programmed)
			}
		}
		good := &desired.Delta{Endpoints: []*desired.Endpoint{{ID: id, Interface: name}}}
		must(c, worse.Apply(good))
		r, err := c.driver.Apply(c.Context(), worse, good)
		must(c, err)
		if len(r.Failed) > 0 || !slices.Contains(r.Programmed, id) {
			c.Errorf("after %+v was put right: programmed %v, failed %v", bad.endpoint, r.Programmed, r.Failed)
		}
		c.programs("without it", s, nil, allIDs(s)...)
	}
}

// restart: a new driver finds what the last one left; nothing is foreign to it.
func (c *contract) restart() {
	s := c.state()
	c.programs("first", s, nil, allIDs(s)...)
	must(c, c.driver.Close())
	c.start()
	c.programs("after the restart", s, nil, allIDs(s)...)
}

// cancelled: an Apply whose context has ended says so, or has been done in full. The next one catches up.
func (c *contract) cancelled() {
	s := c.state()
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	r, err := c.driver.Apply(ctx, s, nil)
	if !(errors.Is(err, context.Canceled) && len(r.Programmed) == 0 || err == nil && len(r.Programmed) == len(allIDs(s))) {
		c.Errorf("with a cancelled context: programmed %v, error %v", r.Programmed, err)
	}
	c.programs("afterwards", s, nil, allIDs(s)...)
}

// removal: Remove may be called at any time, and what was removed can be programmed again.
func (c *contract) removal() {
	s := c.state()
	for _, when := range []string{"before anything", "after Apply", "again"} {
		must(c, c.driver.Remove(c.Context()))
		if hits, err := c.driver.Hits(); err != nil || len(hits) > 0 {
			c.Errorf("%s: after Remove there are counters %v, %v", when, hits, err)
		}
		c.programs(when, s, nil, allIDs(s)...)
	}
}
