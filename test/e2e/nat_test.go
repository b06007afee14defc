// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/agent/driver"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns"
)

// place is a member of the lab with one of its addresses.
type place struct {
	ns   *netns.NS
	addr netip.Addr
}

// places returns a member with its addresses by family.
func (c *cluster) places(member string) [2]place {
	c.t.Helper()
	ns, err := c.Namespace(member)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = ns.Close() })
	addrs, err := globalAddrs(ns)
	if err != nil {
		c.t.Fatal(err)
	}
	var out [2]place
	for _, a := range addrs {
		out[a.BitLen()/128] = place{ns, a}
	}
	if !out[0].addr.IsValid() || !out[1].addr.IsValid() {
		c.t.Fatalf("%s has the addresses %v; want both families", member, addrs)
	}
	return out
}

// visited is what came of a visit: whom the server saw, or why there was none.
type visited struct {
	seen netip.AddrPort
	err  error
}

// visit connects from one place to an address that leads to a server in another, which listens on a port.
func (c *cluster) visit(from, server place, port uint16, to netip.AddrPort) visited {
	c.t.Helper()
	var ln net.Listener
	err := server.ns.Do(func() (err error) {
		ln, err = net.Listen("tcp", netip.AddrPortFrom(server.addr, port).String())
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	seen := make(chan netip.AddrPort, 1)
	go func() {
		if conn, err := ln.Accept(); err == nil {
			seen <- netip.MustParseAddrPort(conn.RemoteAddr().String())
			_ = conn.Close()
		}
	}()
	err = from.ns.Do(func() error {
		conn, err := net.DialTimeout("tcp", to.String(), patience/4)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		return visited{err: err}
	}
	return visited{seen: <-seen}
}

// natConfig is the configuration of a cluster under one driver.
func natConfig(name string, edit func(*v3.FelixNAT)) *v3.FelixConfiguration {
	f := useDriver(name)
	enabled := "Enabled"
	f.Spec.FloatingIPs = &enabled
	edit(&f.Spec.FelixNAT)
	return f
}

// translate sets natOutgoing of the lab's pools.
func (c *cluster) translate(on bool) {
	c.t.Helper()
	for i, cidr := range c.Spec().Pools {
		p := &v3.IPPool{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPPool"}, ObjectMeta: v3.ObjectMeta{Name: fmt.Sprint("pool-", i+1)}}
		p.Spec.CIDR, p.Spec.NATOutgoing = cidr, &on
		c.apply(p)
	}
}

// natDrivers are those that the tests of translation run under.
var natDrivers = []string{driver.NFTables, driver.IPTablesNFT}

// TestNATOutgoing: a server outside the pools sees the node, one inside sees the workload; IPv4 and IPv6, on both packet filters.
func TestNATOutgoing(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "natout", Nodes: 2, ToR: true})
	c.add("n1", "web", "web")
	c.add("n2", "peer", "peer")
	web, peer, n1, n2, outside := c.places("shop/web"), c.places("shop/peer"), c.places("n1"), c.places("n2"), c.places(lab.External)
	for _, name := range natDrivers {
		c.apply(natConfig(name, func(*v3.FelixNAT) {}))
		c.drivenBy(name)
		for _, on := range []bool{false, true} {
			c.translate(on)
			c.converge()
			for family := range web {
				sees := func(server [2]place, want place) {
					t.Helper()
					s := server[family]
					if got := c.visit(web[family], s, 80, netip.AddrPortFrom(s.addr, 80)); got.seen.Addr() != want.addr {
						t.Errorf("%s, natOutgoing %v: %v sees %+v; want %v", name, on, s.addr, got, want.addr)
					}
				}
				who := map[bool]place{false: web[family], true: n1[family]}[on]
				sees(outside, who)
				sees(n2, who)
				sees(peer, web[family])
			}
		}
		inside, ports := "IPPoolsAndHostIPs", intstr.FromString("42000:42099")
		c.apply(natConfig(name, func(f *v3.FelixNAT) { f.NATOutgoingExclusions, f.NATPortRange = &inside, &ports }))
		c.converge()
		for family := range web {
			if got := c.visit(web[family], n2[family], 80, netip.AddrPortFrom(n2[family].addr, 80)); got.seen.Addr() != web[family].addr {
				t.Errorf("%s: a host outside of the translation sees %+v; want %v", name, got, web[family].addr)
			}
			got := c.visit(web[family], outside[family], 80, netip.AddrPortFrom(outside[family].addr, 80))
			if got.seen.Addr() != n1[family].addr || got.seen.Port() < 42000 || got.seen.Port() > 42099 {
				t.Errorf("%s: outside sees %+v; want %v with a port of 42000 to 42099", name, got, n1[family].addr)
			}
		}
	}
}

// TestHostPortsAndFloatingIPs: ports of the node and floating IPs lead to the workload that asked for them in its CNI ADD, from near and far, through
// restarts of the agent, until it is deleted. The server sees who asks.
func TestHostPortsAndFloatingIPs(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "expose", Nodes: 2, ToR: true})
	floating := [2]netip.Addr{netip.MustParseAddr("10.65.200.7"), netip.MustParseAddr("fd65::c8:7")}
	mapping := lab.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
	workload := lab.Workload{Node: "n1", Namespace: "shop", Name: "web", Ports: []lab.Port{mapping}, FloatingIPs: floating[:]}
	if _, err := c.AddWorkload(t.Context(), workload); err != nil {
		t.Fatal(err)
	}
	c.add("n1", "near", "near")
	web, near, n1, n2, outside := c.places("shop/web"), c.places("shop/near"), c.places("n1"), c.places("n2"), c.places(lab.External)
	check := func(when string) {
		t.Helper()
		for family := range web {
			sees := func(from, want place, to netip.AddrPort) {
				t.Helper()
				if got := c.visit(from, web[family], 80, to); got.seen.Addr() != want.addr {
					t.Errorf("%s: %v asks %v, and the workload sees %+v; want %v", when, from.addr, to, got, want.addr)
				}
			}
			port, address := netip.AddrPortFrom(n1[family].addr, 8080), netip.AddrPortFrom(floating[family], 80)
			for _, to := range []netip.AddrPort{port, address} {
				for _, from := range [][2]place{outside, n2, near, n1} {
					sees(from[family], from[family], to)
				}
				sees(web[family], n1[family], to)
			}
		}
	}
	for _, name := range natDrivers {
		c.apply(natConfig(name, func(*v3.FelixNAT) {}))
		c.drivenBy(name)
		c.converge()
		check(name)
	}
	if err := c.KillAgent(t.Context(), "n1", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	check("without an agent")
	if err := c.StartAgent(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	c.converge()
	check("with a new agent")
	_, err := c.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: "late", Ports: []lab.Port{mapping}})
	if err == nil || !strings.Contains(err.Error(), "host port TCP 8080 belongs to workload shop/") {
		t.Errorf("a second workload with the port: %v", err)
	}
	if err := c.DeleteWorkload(t.Context(), "shop/web"); err != nil {
		t.Fatal(err)
	}
	for family := range near {
		got := c.visit(outside[family], near[family], 80, netip.AddrPortFrom(n1[family].addr, 8080))
		if !errors.Is(got.err, syscall.ECONNREFUSED) {
			t.Errorf("the port of a deleted workload: %+v; want the host to refuse", got)
		}
	}
}
