// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
)

func TestSettings(t *testing.T) {
	type spec = v3.FelixConfigurationSpec
	cases := map[string]struct {
		all, own func(*spec)
		want     func(*desired.Settings)
	}{
		"none": {nil, nil, func(*desired.Settings) {}},
		"host action": {func(s *spec) { s.DefaultEndpointToHostAction = new("ACCEPT") }, func(s *spec) { s.DefaultEndpointToHostAction = new("Return") },
			func(s *desired.Settings) { s.EndpointToHost = desired.HostReturn }},
		"host action of all": {func(s *spec) { s.DefaultEndpointToHostAction = new("ACCEPT") }, func(s *spec) { s.ExistingConnections = new("Keep") },
			func(s *desired.Settings) { s.EndpointToHost, s.KeepConnections = desired.HostAccept, true }},
		"own false wins": {func(s *spec) { s.DisableConntrackInvalidCheck = new(true) }, func(s *spec) { s.DisableConntrackInvalidCheck = new(false) }, func(*desired.Settings) {}},
		"no failsafes": {func(s *spec) {
			s.FailsafeInboundHostPorts, s.FailsafeOutboundHostPorts = []v3.ProtoPort{{Port: 22}}, []v3.ProtoPort{}
		},
			func(s *spec) { s.FailsafeInboundHostPorts = []v3.ProtoPort{} }, func(s *desired.Settings) { s.Failsafe = [2][]desired.Failsafe{} }},
		"nftables":            {func(s *spec) { s.NFTablesMode = new("Enabled") }, nil, func(s *desired.Settings) { s.Driver = "nftables" }},
		"nftables goes first": {func(s *spec) { s.NFTablesMode, s.IPTablesBackend = new("enabled"), new("Legacy") }, nil, func(s *desired.Settings) { s.Driver = "nftables" }},
		"iptables":            {func(s *spec) { s.NFTablesMode = new("Disabled") }, nil, func(s *desired.Settings) { s.Driver = "iptables" }},
		"iptables on nft":     {func(s *spec) { s.IPTablesBackend = new("nft") }, nil, func(s *desired.Settings) { s.Driver = "iptables-nft" }},
		"legacy":              {func(s *spec) { s.NFTablesMode = new("Disabled") }, func(s *spec) { s.IPTablesBackend = new("Legacy") }, func(s *desired.Settings) { s.Driver = "iptables-legacy" }},
		"reject":              {func(s *spec) { s.IPTablesFilterDenyAction = new("Reject") }, nil, func(s *desired.Settings) { s.Reject = true }},
		"reject of the other": {func(s *spec) { s.IPTablesFilterDenyAction, s.NFTablesMode = new("Reject"), new("Enabled") }, nil,
			func(s *desired.Settings) { s.Driver = "nftables" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := apply()
			want := desired.DefaultSettings()
			c.want(want)
			if c.all != nil {
				g.Apply(changes(ct.FelixConfig("default", c.all)))
			}
			if c.own != nil {
				g.Apply(changes(ct.FelixConfig("node."+ct.Me, c.own)))
			}
			g.Flush()
			if got := g.View().Settings(); !got.Equal(want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestBadSettingsKeepTheLastGood(t *testing.T) {
	good := ct.FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.ExistingConnections = new("Keep") })
	g := apply(good)
	g.Apply(changes(ct.FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.ExistingConnections = new("Kill") })))
	if d := g.Flush(); d != nil {
		t.Errorf("the bad version has an effect: %s", ct.Describe(d))
	}
	expect(t, g, []string{`default spec.existingConnections: "Kill" is not allowed; write Reevaluate or Keep`})
	g.Apply(deletions(good))
	if d := g.Flush(); d == nil || fmt.Sprint(d.Settings) != fmt.Sprint(desired.DefaultSettings()) {
		t.Errorf("deleted: %s", ct.Describe(d))
	}
}

// TestSourceSpoofing: prefixes beyond a workload's own addresses count while workloadSourceSpoofing is Any, and are reported while it is not.
func TestSourceSpoofing(t *testing.T) {
	pod := ct.Endpoint("shop/router", ct.Me, nil, "10.65.0.1")
	pod.Spec.AllowSpoofedSourcePrefixes = []string{"203.0.113.0/24"}
	config := func(name, value string) api.Object {
		return ct.FelixConfig(name, func(s *v3.FelixConfigurationSpec) { s.WorkloadSourceSpoofing = &value })
	}
	for _, c := range []struct {
		name    string
		objects []api.Object
		allowed bool
	}{
		{"by default", nil, false},
		{"Any", []api.Object{config("default", "any")}, true},
		{"Disabled", []api.Object{config("default", "Disabled")}, false},
		{"another node's", []api.Object{config("node.n2", "Any")}, false},
		{"this node's own wins", []api.Object{config("default", "Any"), config("node."+ct.Me, "Disabled")}, false},
		{"this node's own", []api.Object{config("node."+ct.Me, "Any"), config("default", "Disabled")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := apply(append([]api.Object{pod}, c.objects...)...)
			reported := slices.ContainsFunc(g.Problems(), func(p calc.Problem) bool { return p.Field == "spec.allowSpoofedSourcePrefixes" })
			for e := range g.View().Endpoints() {
				if got := len(e.SpoofPrefixes) == 1; got != c.allowed || reported == c.allowed {
					t.Errorf("allowed: %t, reported: %t; want allowed: %t", got, reported, c.allowed)
				}
				return
			}
			t.Error("no endpoint")
		})
	}
}
