// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/conntrack"
)

// led is a connection that was asked for under one address and goes to another.
func led(protocol uint8, sport uint16, dst string, dport uint16, to string, toPort uint16) conntrack.Flow {
	f := flow(protocol, other, sport, dst, dport)
	f.Reply = tuple(protocol, to, toPort, other, sport)
	return f
}

// exposing is a workload that ports of the host lead to, and with floating a floating IP.
func exposing(name, addr, floating string, ports ...desired.HostPort) *desired.Endpoint {
	e := workload(name, addr)
	e.Tiers = [2][]desired.TierPolicies{}
	for _, p := range ports {
		p.To = netip.AddrPortFrom(netip.MustParseAddr(addr), p.To.Port())
		e.HostPorts = append(e.HostPorts, p)
	}
	if floating != "" {
		e.FloatingIPs = []desired.FloatingIP{{External: netip.MustParseAddr(floating), Internal: netip.MustParseAddr(addr)}}
	}
	return e
}

func hostPort(protocol uint8, host string, port uint16) desired.HostPort {
	p := desired.HostPort{Protocol: protocol, Port: port, To: netip.AddrPortFrom(netip.Addr{}, 80)}
	if host != "" {
		p.Host = netip.MustParseAddr(host)
	}
	return p
}

// left checks which of the flows, by source port, are still in the table.
func (b *bench) left(when string, want ...uint16) {
	b.t.Helper()
	var got []uint16
	for _, f := range b.table.Flows() {
		got = append(got, f.Orig.SrcPort)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: left are %v; want %v", when, got, want)
	}
}

// TestConnectionsFollowWhatLeadsThere: with a new owner of a port or a floating IP, connections to the former one are forgotten, and none else.
func TestConnectionsFollowWhatLeadsThere(t *testing.T) {
	const floating, far = "192.0.2.10", "198.51.100.1"
	owner := func(name, addr string) *desired.Endpoint {
		return exposing(name, addr, floating, hostPort(udp, "", 53), hostPort(tcp, "", 80), hostPort(tcp, node, 81))
	}
	b := newBench(t)
	b.start()
	b.table.Put(
		flow(udp, other, 1, node, 53), flow(tcp, other, 2, node, 80), // to processes of the node, from before
		flow(udp, other, 3, node, 54), flow(udp, other, 4, far, 53), flow(udp, other, 5, "127.0.0.1", 53),
	)
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{owner("web", web)}})
	b.review()
	b.left("a first owner: UDP to the port itself ends", 2, 3, 4, 5)
	mine := []conntrack.Flow{
		led(udp, 11, node, 53, web, 80), led(tcp, 12, node, 80, web, 80), led(tcp, 13, node, 81, web, 80), led(udp, 14, floating, 7, web, 7),
	}
	b.table.Put(mine...)
	b.table.Put(led(udp, 15, node, 99, web, 80), flow(tcp, other, 16, web, 80)) // asked for otherwise
	b.r.All()
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{exposing("db", db, "")}})
	b.review()
	b.left("another workload comes", 2, 3, 4, 5, 11, 12, 13, 14, 15, 16)
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{owner("db", db), exposing("web", web, "")}})
	b.review()
	b.left("a new owner", 2, 3, 4, 5, 15, 16)
	b.table.Put(led(udp, 21, node, 53, db, 80), led(tcp, 22, far, 80, db, 80), led(udp, 23, floating, 7, db, 7))
	b.table.Put(mine[0])
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{exposing("db", db, "")}})
	b.review()
	b.left("no owner any more: what went to the last one ends, not what others translate", 2, 3, 4, 5, 15, 16, 22, 11)
}

// TestForgettingIsTriedAgain: what could not be done stays due.
func TestForgettingIsTriedAgain(t *testing.T) {
	b := newBench(t)
	b.start()
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{exposing("web", web, "", hostPort(udp, "", 53))}})
	b.table.Put(led(udp, 1, node, 53, web, 80))
	b.review()
	b.change(&desired.Delta{EndpointsRemoved: []desired.EndpointID{workload("web", web).ID}, Endpoints: []*desired.Endpoint{exposing("new", web, "")}})
	b.table.Fail(errors.New("busy"))
	if err := b.r.Review(t.Context()); err == nil {
		t.Fatal("no error")
	}
	b.table.Fail(nil)
	b.left("not yet", 1)
	b.review()
	b.left("the port leads nowhere, and the workload's address to another")
}
