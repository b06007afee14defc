// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
)

// tunnelled is a way to reach other nodes with a driver.
type tunnelled struct {
	mode   lab.Mode
	driver string // FelixConfiguration's
}

func (w tunnelled) scenario() lab.Scenario { return lab.Scenario{Mode: w.mode, Families: lab.Dual} }

func (w tunnelled) String() string { return string(w.mode) + ", " + w.driver }

// within leaves out what this kernel lacks.
func within(t *testing.T, all ...tunnelled) []tunnelled {
	return slices.DeleteFunc(all, func(w tunnelled) bool {
		why := lacking(t, w.scenario())
		if why != "" {
			t.Logf("%s: left out: %s", w, why)
		}
		return why != ""
	})
}

// overlay puts the pools in a tunnel, with natOutgoing or without, on an underlay that carries nothing between their addresses but what the mode promises.
func (c *cluster) overlay(w tunnelled, outgoing bool) {
	c.t.Helper()
	for _, o := range w.scenario().Pools(c.Spec().Pools) {
		pool, ok := o.(*v3.IPPool)
		if !ok {
			c.t.Fatalf("a %T is no pool", o)
		}
		pool.Spec.NATOutgoing = &outgoing
		c.apply(pool)
	}
	c.nftIn("tor", "table bridge weft_lab_underlay\ndelete table bridge weft_lab_underlay\ntable inet weft_lab_underlay\ndelete table inet weft_lab_underlay\n")
	c.translated(w, func(*v3.FelixNAT) {})
	c.drivenBy(w.driver)
	c.nftIn("tor", underlayFor(w.scenario()))
}

// translated states what is to be translated, and waits until it is in force.
func (c *cluster) translated(w tunnelled, edit func(*v3.FelixNAT)) {
	c.t.Helper()
	config := natConfig(w.driver, edit)
	if w.scenario().Encrypts() {
		config.Spec.WireguardEnabled, config.Spec.WireguardEnabledV6 = new(true), new(true)
	}
	c.apply(config)
	if w.scenario().Encrypts() {
		c.encrypted()
	}
	c.converge()
}

func (p place) port(n uint16) netip.AddrPort { return netip.AddrPortFrom(p.addr, n) }

// sees visits a server's port 80 by an address, and fails unless it sees this one.
func (c *cluster) sees(what string, from, server place, to netip.AddrPort, want netip.Addr) netip.AddrPort {
	c.t.Helper()
	got := c.visit(from, server, 80, to)
	if got.seen.Addr() != want {
		c.t.Errorf("%s: %v asks %v, and the server sees %+v; want %v", what, from.addr, to, got, want)
	}
	return got.seen
}

// answers visits a server's port 80, which may see any address of a node.
func (c *cluster) answers(what string, from, server place, to netip.AddrPort) {
	c.t.Helper()
	if got := c.visit(from, server, 80, to); got.err != nil {
		c.t.Errorf("%s: %v asks %v: %v", what, from.addr, to, got.err)
	}
}

// TestNATOutgoingBesideTunnels: workloads that reach each other through a tunnel alone leave the cluster under their node's address, or the one that is asked
// for, and see nodes as the exclusions say; nodes reach them through the tunnel.
func TestNATOutgoingBesideTunnels(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "natvx", Nodes: 2, Subnets: 2})
	c.add("n1", "web", "web")
	c.add("n2", "peer", "peer")
	web, peer, n1, n2, outside := c.places("shop/web"), c.places("shop/peer"), c.places("n1"), c.places("n2"), c.places(lab.External)
	const asked = "198.18.0.1"
	for member, command := range map[string]string{"n1": "ip addr add " + asked + "/32 dev lo", "tor": fmt.Sprintf("ip route add %s/32 via %s", asked, n1[0].addr)} {
		if err := c.within(member, func() error { return run(t, "bash", "-c", command) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range within(t, tunnelled{lab.VXLAN, natDrivers[0]}, tunnelled{lab.VXLAN, natDrivers[1]}, tunnelled{lab.WireGuard, natDrivers[0]}, tunnelled{lab.IPIP, natDrivers[1]}) {
		name := way.String()
		c.overlay(way, true)
		for family := range web {
			w, p, n, o := web[family], peer[family], n2[family], outside[family]
			c.sees(name+", outside", w, o, o.port(80), n1[family].addr)
			c.sees(name+", a workload on another node", w, p, p.port(80), w.addr)
			c.sees(name+", another node", w, n, n.port(80), n1[family].addr)
			c.answers(name+", from another node", n, w, w.port(80))
		}
		inside, ports := "IPPoolsAndHostIPs", intstr.FromString("42000:42099")
		c.translated(way, func(f *v3.FelixNAT) { f.NATOutgoingExclusions, f.NATPortRange = &inside, &ports })
		for family := range web {
			w, n, o := web[family], n2[family], outside[family]
			c.sees(name+", a node that is excepted", w, n, n.port(80), w.addr)
			if seen := c.sees(name+", outside, with ports", w, o, o.port(80), n1[family].addr); seen.Port() < 42000 || seen.Port() > 42099 {
				t.Errorf("%s: outside sees %v; want a port of 42000 to 42099", name, seen)
			}
		}
		c.translated(way, func(*v3.FelixNAT) {})
		own := &v3.FelixConfiguration{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "FelixConfiguration"}, ObjectMeta: v3.ObjectMeta{Name: "node.n1"}}
		own.Spec.NATOutgoingAddress = new(asked) // the address is one node's: answers to what another sends under it would not come back there
		c.apply(own)
		c.converge()
		w := web[0]
		c.sees(name+", outside, with an address", w, outside[0], outside[0].port(80), netip.MustParseAddr(asked))
		c.sees(name+", another node, with an address", w, n2[0], n2[0].port(80), netip.MustParseAddr(asked))
		c.sees(name+", a workload on another node, with an address", w, peer[0], peer[0].port(80), w.addr)
		own.Spec.NATOutgoingAddress = nil
		c.apply(own)
	}
}

// TestFloatingIPsThroughTunnels: a floating IP leads to its workload from the workloads and hosts of other nodes, in the tunnel where the mode asks for
// it, and from outside. The workload's policy judges what the address was translated to.
func TestFloatingIPsThroughTunnels(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "floatvx", Nodes: 3, Subnets: 2})
	floating := [2]netip.Addr{netip.MustParseAddr("10.65.200.7"), netip.MustParseAddr("fd65::c8:7")}
	workload := lab.Workload{Node: "n2", Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}, FloatingIPs: floating[:]}
	if _, err := c.AddWorkload(t.Context(), workload); err != nil {
		t.Fatal(err)
	}
	c.add("n1", "across", "client")
	c.add("n3", "beside", "client")
	c.add("n1", "other", "other")
	policy := &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: "web-not-from-other"}}
	policy.TypeMeta = v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "GlobalNetworkPolicy"}
	port := intstr.FromInt32(80)
	policy.Spec.Selector, policy.Spec.Ingress = "app == 'web'", []v3.Rule{
		{Action: v3.Deny, Source: &v3.EntityRule{Selector: "app == 'other'"}},
		{Action: v3.Allow, Protocol: new(intstr.FromString("TCP")), Destination: &v3.EntityRule{Ports: []intstr.IntOrString{port}}},
	}
	c.apply(policy)
	web, across, beside, other := c.places("shop/web"), c.places("shop/across"), c.places("shop/beside"), c.places("shop/other")
	n1, n3, outside := c.places("n1"), c.places("n3"), c.places(lab.External)
	for _, way := range within(t, tunnelled{lab.VXLAN, natDrivers[0]}, tunnelled{lab.VXLANCross, natDrivers[1]}, tunnelled{lab.WireGuard, natDrivers[1]}, tunnelled{lab.IPIP, natDrivers[0]}) {
		c.overlay(way, false)
		for family := range web {
			what, w, to := way.String(), web[family], netip.AddrPortFrom(floating[family], 80)
			for _, from := range [][2]place{across, beside, outside} {
				c.sees(what, from[family], w, to, from[family].addr)
			}
			c.answers(what, n1[family], w, to)
			c.answers(what, n3[family], w, to)
			if got := c.visit(other[family], w, 80, to); got.err == nil {
				t.Errorf("%s: whom policy denies gets through: %+v", what, got)
			}
		}
	}
}
