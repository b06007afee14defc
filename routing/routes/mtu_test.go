// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes_test

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/routes"
)

func way(tunnel, via string) routes.Way {
	return routes.Way{Tunnel: tunnel, Via: netip.MustParseAddr(via)}
}

func (r *rig) setMTUs(mtus map[routes.Way]int) {
	r.t.Helper()
	check(r.t, r.m.SetMTUs(r.t.Context(), mtus))
}

// TestMTUs: routes by a narrow way say so, whoever computed them, others do not, and that follows the way.
func TestMTUs(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	r.fib.AddLink("vxlan.calico")
	r.fib.AddLink("cali1")
	tunnelled := desired.Route{Dst: netip.MustParsePrefix("10.65.1.0/26"), Kind: desired.RouteTunnel, Interface: "vxlan.calico", Via: netip.MustParseAddr("10.65.1.0")}
	plain := desired.Route{Dst: netip.MustParsePrefix("10.65.2.0/26"), Kind: desired.RouteNode, Via: netip.MustParseAddr("192.0.2.2")}
	for _, route := range []desired.Route{tunnelled, plain, local("10.65.0.1/32", "cali1")} {
		r.want[route.Dst] = route
	}
	deltas := &desired.Delta{Tunnels: []desired.Tunnel{{Name: "vxlan.calico"}}}
	state := viewWith(t, r, deltas)
	_, err := r.m.Apply(t.Context(), state, nil)
	check(t, err)
	r.learn("10.65.3.0/26", true, "192.0.2.2")
	r.learn("10.65.4.0/26", true, "192.0.2.2", "192.0.2.3")
	r.learn("10.65.5.0/26", true, "192.0.2.4")
	r.setMTUs(map[routes.Way]int{way("vxlan.calico", "10.65.1.0"): 1350, way("", "192.0.2.2"): 1400, way("", "192.0.2.3"): 1300})
	r.holds(
		"10.65.0.1/32 link 3 proto 119",
		"10.65.1.0/26 via 10.65.1.0 link 2 onlink proto 119 metric 1024 mtu 1350",
		"10.65.2.0/26 via 192.0.2.2 link 1 proto 119 metric 1024 mtu 1400",
		"10.65.3.0/26 via 192.0.2.2 link 1 proto 120 metric 1024 mtu 1400",
		"10.65.4.0/26 via 192.0.2.2 link 1 via 192.0.2.3 link 1 proto 120 metric 1024 mtu 1300",
		"10.65.5.0/26 via 192.0.2.4 link 1 proto 120",
	)
	r.learn("10.65.3.0/26", true, "192.0.2.4")
	r.setMTUs(map[routes.Way]int{way("", "192.0.2.4"): 1450})
	r.holds(
		"10.65.0.1/32 link 3 proto 119",
		"10.65.1.0/26 via 10.65.1.0 link 2 onlink proto 119",
		"10.65.2.0/26 via 192.0.2.2 link 1 proto 119",
		"10.65.3.0/26 via 192.0.2.4 link 1 proto 120 metric 1024 mtu 1450",
		"10.65.4.0/26 via 192.0.2.2 link 1 via 192.0.2.3 link 1 proto 120",
		"10.65.5.0/26 via 192.0.2.4 link 1 proto 120 metric 1024 mtu 1450",
	)
}

// viewWith is the rig's desired state with more in it.
func viewWith(t *testing.T, r *rig, more *desired.Delta) *desired.State {
	t.Helper()
	s := desired.NewState()
	for _, route := range r.want {
		more.Routes = append(more.Routes, route)
		if route.Kind == desired.RouteLocal {
			more.Endpoints = append(more.Endpoints, endpoint(route.Interface, route.Dst.Addr()))
		}
	}
	check(t, s.Apply(more))
	return s
}

// TestMTUsOfAnEarlierRun stay in force until the new run knows better.
func TestMTUsOfAnEarlierRun(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	r.learn("10.65.3.0/26", true, "192.0.2.2")
	r.setMTUs(map[routes.Way]int{way("", "192.0.2.2"): 1400})
	r.start()
	r.learn("10.65.3.0/26", true, "192.0.2.2")
	r.apply(nil)
	r.holds("10.65.3.0/26 via 192.0.2.2 link 1 proto 120 metric 1024 mtu 1400")
	r.setMTUs(nil)
	r.holds("10.65.3.0/26 via 192.0.2.2 link 1 proto 120")
}
