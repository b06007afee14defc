// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/sysctl"
)

// openGuarded opens a driver for the path, with a policy in force, or says why not.
func openGuarded(t *testing.T, p *path) (*Driver, *desired.State) {
	t.Helper()
	d := newDriver(t, p.router)
	if !d.options.guarded {
		t.Skip("this kernel does not bind chains to names of devices (Linux 6.16); TestConformance/unguarded tests what is in force here")
	}
	for _, which := range []string{"all", "default"} { // what IPv6 sends on its own would be counted
		check(t, p.a.Do(func() error { return sysctl.Set("net/ipv6/conf/"+which+"/disable_ipv6", "1") }))
	}
	view := inFront(t, 1)
	apply(t, d, view, nil)
	return d, view
}

// flow is an answered flow of datagrams from one address to the server on the other workload.
func flow(t *testing.T, p *path, from string) (server, client *net.UDPConn) {
	t.Helper()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.65.0.2:5432"))
	check(t, p.b.Do(func() (err error) {
		server, err = net.ListenUDP("udp", to)
		return err
	}))
	t.Cleanup(func() { _ = server.Close() })
	return server, dial(t, p.a, from, to)
}

func dial(t *testing.T, ns *netns.NS, from string, to *net.UDPAddr) (client *net.UDPConn) {
	t.Helper()
	check(t, ns.Do(func() (err error) {
		client, err = net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, to)
		return err
	}))
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// drops sends a datagram and waits until the last rule of the interface's guard has counted it.
func drops(t *testing.T, d *Driver, client *net.UDPConn, iface string) {
	t.Helper()
	count := func() uint64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		rules, err := d.conn.Rules(tableName, shutter(iface).name)
		check(t, err)
		return rules[len(rules)-1].Packets
	}
	before := count()
	_, err := client.Write([]byte("x"))
	check(t, err)
	for deadline := time.Now().Add(5 * time.Second); count() == before; {
		if time.Now().After(deadline) {
			t.Fatalf("the guard of %s has dropped nothing", iface)
		}
	}
}

// bound tells whether an interface has a guard.
func bound(t *testing.T, d *Driver, iface string) bool {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok, err := d.conn.Chain(tableName, shutter(iface).name)
	check(t, err)
	return ok
}

// unbound waits until an interface has no guard any more. Nobody applies anything meanwhile.
func unbound(t *testing.T, d *Driver, iface string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); bound(t, d, iface); {
		if time.Now().After(deadline) {
			t.Fatalf("the guard of %s, which has gone with its endpoint, is still there", iface)
		}
	}
}

// TestGuardShuts: an interface whose endpoint has gone lets nothing pass, not even what belongs to a known connection; its guard goes with it.
func TestGuardShuts(t *testing.T) {
	p := newPath(t)
	d, view := openGuarded(t, p)
	server, client := flow(t, p, "10.65.0.1")
	answer(t, server, client)
	gone := &desired.Delta{EndpointsRemoved: []desired.EndpointID{endpointID("cali1")}}
	back := &desired.Delta{Endpoints: []*desired.Endpoint{endpointOf(t, view, "cali1")}}
	for range 2 {
		check(t, view.Apply(gone))
		apply(t, d, view, gone)
		drops(t, d, client, "cali1")
		check(t, view.Apply(back))
		apply(t, d, view, back)
		answer(t, server, client)
	}
	check(t, view.Apply(gone))
	apply(t, d, view, gone)
	ip(t, p.router, "link delete cali1")
	unbound(t, d, "cali1")
	apply(t, d, view, back) // the next pod of the name
	if err := view.Apply(back); err != nil || !bound(t, d, "cali1") {
		t.Errorf("an endpoint that comes before its interface has no guard (%v)", err)
	}
}

// TestGuardOfOrphan: an interface of workloads that no endpoint has is shut.
func TestGuardOfOrphan(t *testing.T) {
	p := newPath(t)
	ip(t, p.router, "link add cali9 type veth peer name orphan netns "+p.a.Name())
	ip(t, p.router, "link set cali9 up")
	d, view := openGuarded(t, p)
	ip(t, p.a, "link set orphan up")
	ip(t, p.a, "addr add 10.65.0.9/32 dev orphan")
	ip(t, p.a, "route add 169.254.1.1 dev orphan src 10.65.0.9 metric 7")
	drops(t, d, dial(t, p.a, "10.65.0.9", &net.UDPAddr{IP: net.IPv4bcast, Port: 67}), "cali9")
	ip(t, p.router, "link delete cali9")
	unbound(t, d, "cali9")
	if r := apply(t, d, view, nil); r.Repaired != 0 {
		t.Errorf("the guard of the interface that has gone: %+v", r)
	}
}

// TestGuardOfSuccessor: an interface that was made again under its name is guarded from its first packet on, without the driver's doing.
func TestGuardOfSuccessor(t *testing.T) {
	p := newPath(t)
	d, _ := openGuarded(t, p)
	ip(t, p.router, "link delete cali1")
	p.attach(t, 0, p.a)
	ip(t, p.a, "addr add 10.65.0.77/32 dev eth0")
	server, client := flow(t, p, "10.65.0.1")
	answer(t, server, client)
	drops(t, d, dial(t, p.a, "10.65.0.77", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.65.0.2:5432"))), "cali1")
}

// endpointOf finds an endpoint by its interface.
func endpointOf(t *testing.T, view desired.View, iface string) *desired.Endpoint {
	t.Helper()
	for e := range view.Endpoints() {
		if e.Interface == iface {
			return e
		}
	}
	t.Fatalf("no endpoint has %s", iface)
	return nil
}
