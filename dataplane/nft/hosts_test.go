// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// guarded is a router of drivertest with host endpoints on all its links. Ports of TCP tell what each sort of policy does: 1x untracked, 2x
// pre-DNAT, 3x normal, 4x forward; x1 is allowed, x2 denied.
func guarded(t *testing.T, settings *desired.Settings, only ...string) *desired.State {
	t.Helper()
	var b build
	sort := func(name string, first uint16, sentinels rule.Action) []desired.TierPolicies {
		var lists [2][]rule.Rule
		for dir := range lists {
			lists[dir] = append(lists[dir], rule.Rule{Action: sentinels, Match: rule.Match{Protocol: 17}})
			for _, port := range []uint16{first + 1, first + 2} {
				r := rule.Rule{Action: []rule.Action{rule.Allow, rule.Deny}[port-first-1], Match: rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(port)}}}
				lists[dir] = append(lists[dir], r)
			}
		}
		lists[rule.Egress] = append(lists[rule.Egress], allow(rule.Match{Protocol: 6, Src: rule.Side{Ports: ports(first + 1)}})) // answers
		return []desired.TierPolicies{tier(name, rule.Deny, b.Policy(np(name), lists[0], lists[1]))}
	}
	raw, early, normal, forward := sort("raw", 10, rule.Pass), sort("early", 20, rule.Pass), sort("normal", 30, rule.Deny), sort("forward", 40, rule.Allow)
	open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})
	for _, iface := range []string{"up0", "dmz0", desired.AnyInterface} {
		if !slices.Contains(only, iface) {
			continue
		}
		e := b.Host(iface)
		e.Untracked, e.PreDNAT = [2][]desired.TierPolicies{raw, raw}, early
		e.Normal, e.Forward = [2][]desired.TierPolicies{normal, normal}, [2][]desired.TierPolicies{forward, forward}
		if iface == "dmz0" {
			*e = desired.HostEndpoint{ID: e.ID, Interface: e.Interface, Profiles: []rule.PolicyID{open}}
		}
	}
	for _, i := range []string{"1", "2"} {
		b.Endpoint("cali"+i, nil, []rule.PolicyID{open}, "10.65.0."+i, "fd00:65::"+i)
	}
	b.Delta.Settings = settings
	return b.State(t)
}

// TestHostEndpoints sends packets on all ways through a router, and compares what becomes of them with the judge.
func TestHostEndpoints(t *testing.T) {
	for _, only := range [][]string{{"up0"}, {"up0", "dmz0"}, {"up0", "dmz0", "*"}, {"*"}, {}} {
		for _, action := range []desired.HostAction{desired.HostReturn, desired.HostAccept} {
			t.Run(strings.Join(only, ",")+" "+[]string{"drop", "accept", "return"}[action], func(t *testing.T) {
				s := desired.DefaultSettings()
				s.EndpointToHost = action
				s.Failsafe[rule.Ingress] = []desired.Failsafe{{Protocol: 6, Port: 22}, {Protocol: 6, Port: 23, Net: prefix("192.0.2.0/24")}}
				judged(t, guarded(t, s, only...))
			})
		}
	}
}

func judged(t *testing.T, view *desired.State) {
	t.Helper()
	n := drivertest.NewNet(t)
	d := newDriver(t, n.Router)
	apply(t, d, view, nil)
	links := map[string]netip.Addr{"up0": netip.MustParseAddr("192.0.2.9"), "dmz0": netip.MustParseAddr("203.0.113.9"), "cali1": netip.MustParseAddr("10.65.0.1")}
	to := []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.65.0.2"), netip.MustParseAddr("198.51.100.1")}
	node := eval.Node{View: view, WorkloadPrefix: "cali", Route: func(a netip.Addr) string {
		return map[netip.Addr]string{to[0]: "", to[1]: "cali2"}[a] + map[bool]string{true: "up0"}[!slices.Contains(to[:2], a)]
	}}
	source := uint16(1000)
	for _, in := range []string{"up0", "dmz0", "cali1"} {
		for _, dst := range to {
			if in == "dmz0" && dst == to[0] {
				continue // the answer goes another way
			}
			for _, port := range []uint16{11, 12, 21, 22, 23, 31, 32, 33, 41, 42, 43} {
				source++
				p := eval.Packet{Src: links[in], Dst: dst, Protocol: 6, SrcPort: source, DstPort: port}
				passage := node.Pass(in, p)
				want := ""
				if passage.Verdict == rule.Allow {
					if want = passage.Out; want == "" {
						want = "host"
					}
				}
				got, err := n.Send(in, p)
				check(t, err)
				if got != want {
					t.Errorf("%+v from %s came out at %q; want %q\n%v", p, in, got, want, &passage)
				}
			}
		}
	}
}
