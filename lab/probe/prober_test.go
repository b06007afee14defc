// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// hosts makes n namespaces on one bridge, each with an address of both families.
func hosts(t *testing.T, n int) []probe.Endpoint {
	t.Helper()
	hub := space(t, "hub")
	hubNL := dial(t, hub)
	br, err := hubNL.AddBridge(netlink.LinkSpec{Name: "br0", Up: true})
	if err != nil {
		t.Fatal(err)
	}
	var out []probe.Endpoint
	for i := range n {
		ns := space(t, fmt.Sprintf("h%d", i))
		nl := dial(t, ns)
		port, err := hubNL.AddVeth(netlink.VethSpec{
			LinkSpec: netlink.LinkSpec{Name: fmt.Sprintf("p%d", i), Up: true}, Peer: netlink.LinkSpec{Name: "eth0"}, PeerNS: ns,
		})
		if err != nil {
			t.Fatal(err)
		}
		eth, err := nl.Link("eth0")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(hubNL.SetMaster(port.Index, br.Index), nl.SetUp(eth.Index, true)); err != nil {
			t.Fatal(err)
		}
		e := probe.Endpoint{Name: fmt.Sprintf("h%d", i), NS: ns}
		for _, cidr := range []string{fmt.Sprintf("192.0.2.%d/24", i+1), fmt.Sprintf("2001:db8::%d/64", i+1)} {
			p := netip.MustParsePrefix(cidr)
			if err := nl.AddAddr(netlink.Addr{Link: eth.Index, Prefix: p, NoDAD: true}); err != nil {
				t.Fatal(err)
			}
			e.Addrs = append(e.Addrs, p.Addr())
		}
		out = append(out, e)
	}
	return out
}

func space(t *testing.T, suffix string) *netns.NS {
	t.Helper()
	name := fmt.Sprintf("weft-pb%d-%s", os.Getpid(), suffix)
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	return ns
}

func dial(t *testing.T, ns *netns.NS) *netlink.Conn {
	t.Helper()
	c, err := netlink.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// filter loads an nftables ruleset into a namespace.
func filter(t *testing.T, ns *netns.NS, rules string) {
	t.Helper()
	err := proc.Run(t.Context(), proc.Spec{Path: "nft", Args: []string{"-f", "-"}, NS: ns}, proc.IO{In: strings.NewReader(rules), Err: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, endpoints []probe.Endpoint, services []probe.Service) *probe.Prober {
	t.Helper()
	p, err := probe.Open(t.Context(), endpoints, services)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestAllProtocolsReachAndAreFast(t *testing.T) {
	const n = 6
	endpoints := hosts(t, n)
	begin := time.Now()
	p := open(t, endpoints, probe.AllServices)
	flows := probe.Pairs(endpoints, endpoints, probe.AllServices)
	if want := n * (n - 1) * 2 * len(probe.AllServices); len(flows) != want {
		t.Fatalf("%d flows, want %d", len(flows), want)
	}
	results, err := p.Run(t.Context(), flows, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d flows in %v", len(flows), time.Since(begin))
	for i, r := range results {
		if r.Flow != flows[i] {
			t.Fatalf("result %d is of %s, want %s", i, r.Flow, flows[i])
		}
		if r.Verdict() != probe.Allowed || r.RTT <= 0 {
			t.Errorf("%s: %s after %v %s", r.Flow, r.Verdict(), r.RTT, r.Error)
		}
	}
}

// TestEachProtocolIsToldApart denies one service at a time at the receiver: exactly that one, and only there, must be seen as denied.
func TestEachProtocolIsToldApart(t *testing.T) {
	endpoints := hosts(t, 2)
	p := open(t, endpoints, probe.AllServices)
	flows := probe.Pairs(endpoints, endpoints, probe.AllServices)
	matches := map[probe.Protocol]string{
		probe.ICMP: "icmp type echo-request drop\n icmpv6 type echo-request",
		probe.TCP:  "tcp dport 5432", probe.UDP: "udp dport 5432", probe.SCTP: "sctp dport 5432",
	}
	for _, svc := range probe.AllServices {
		filter(t, endpoints[1].NS, fmt.Sprintf("flush ruleset\ntable inet t {\n chain c {\n type filter hook input priority 0\n %s drop\n }\n}\n", matches[svc.Protocol]))
		want := func(f probe.Flow) probe.Verdict {
			if f.Dst == endpoints[1].Name && f.Service == svc {
				return probe.Denied
			}
			return probe.Allowed
		}
		results, err := p.Run(t.Context(), flows, want)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Verdict() != want(r.Flow) {
				t.Errorf("with %s denied: %s is %s, want %s %s", svc, r.Flow, r.Verdict(), want(r.Flow), r.Error)
			}
		}
	}
}

// TestConntrackAcceptsProbes runs through a stateful filter that allows only valid new flows and their answers: packets with a wrong
// checksum or out of order would be dropped as invalid.
func TestConntrackAcceptsProbes(t *testing.T) {
	endpoints := hosts(t, 2)
	filter(t, endpoints[1].NS, `table inet t {
	chain in { type filter hook input priority 0; policy drop
		meta l4proto ipv6-icmp icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		iif lo accept
		ct state invalid drop
		ct state established accept
		ct state new meta l4proto { icmp, ipv6-icmp, tcp, udp, sctp } accept
	}
}`)
	p := open(t, endpoints, probe.AllServices)
	for range 2 { // the second run must not be taken for the first one's flows
		results, err := p.Run(t.Context(), probe.Pairs(endpoints, endpoints, probe.AllServices), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Verdict() != probe.Allowed {
				t.Errorf("%s is %s %s", r.Flow, r.Verdict(), r.Error)
			}
		}
	}
}

func TestHalfOpenPathIsNotAllowed(t *testing.T) {
	endpoints := hosts(t, 2)
	filter(t, endpoints[0].NS, "table inet t {\n chain c {\n type filter hook input priority 0\n iif lo accept\n udp sport 53 drop\n }\n}\n")
	services := []probe.Service{{Protocol: probe.UDP, Port: 53}}
	p := open(t, endpoints, services)
	results, err := p.Run(t.Context(), probe.Between(endpoints[0], endpoints[1], services), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Seen || r.Answered || r.Verdict() != probe.Half {
			t.Errorf("%s: seen %v, answered %v, %s", r.Flow, r.Seen, r.Answered, r.Verdict())
		}
	}
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	endpoints := hosts(t, 2)
	// The first packet of each flow is lost.
	filter(t, endpoints[1].NS, `table inet t {
	set met4 { type ipv4_addr . inet_proto; flags dynamic; timeout 1m; }
	set met6 { type ipv6_addr . inet_proto; flags dynamic; timeout 1m; }
	chain c {
		type filter hook input priority 0
		iif lo accept
		meta l4proto ipv6-icmp icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ip saddr . meta l4proto != @met4 add @met4 { ip saddr . meta l4proto } drop
		ip6 saddr . meta l4proto != @met6 add @met6 { ip6 saddr . meta l4proto } drop
	}
}`)
	p := open(t, endpoints, probe.AllServices)
	flows := probe.Between(endpoints[0], endpoints[1], probe.AllServices)
	results, err := p.Run(t.Context(), flows, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Verdict() != probe.Allowed {
			t.Errorf("%s is %s after one loss", r.Flow, r.Verdict())
		}
	}
}

func TestErrorsAreTold(t *testing.T) {
	endpoints := hosts(t, 1)
	svc := []probe.Service{{Protocol: probe.TCP, Port: 80}, {Protocol: probe.UDP, Port: 80}}
	p := open(t, endpoints, svc)
	flows := []probe.Flow{
		{Src: "h0", Dst: "nowhere", SrcAddr: endpoints[0].Addrs[0], DstAddr: netip.MustParseAddr("203.0.113.1"), Service: svc[0]},
		{Src: "h0", Dst: "nowhere", SrcAddr: endpoints[0].Addrs[0], DstAddr: netip.MustParseAddr("203.0.113.1"), Service: svc[1]},
		{Src: "h0", Dst: "h0", SrcAddr: endpoints[0].Addrs[0], DstAddr: endpoints[0].Addrs[0], Service: probe.Service{Protocol: probe.TCP, Port: 81}},
	}
	results, err := p.Run(t.Context(), flows, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"network is unreachable", "network is unreachable", "connection refused"} {
		if results[i].Verdict() != probe.Denied || results[i].Error != want {
			t.Errorf("%s: %s, error %q, want %q", flows[i], results[i].Verdict(), results[i].Error, want)
		}
	}
	if _, err := p.Run(t.Context(), []probe.Flow{{Src: "who"}}, nil); err == nil {
		t.Error("a flow from an unknown source was run")
	}
}

func TestPositiveControl(t *testing.T) {
	endpoints := hosts(t, 1)
	services := []probe.Service{{Protocol: probe.UDP, Port: 53}}
	filter(t, endpoints[0].NS, "table inet t {\n chain c {\n type filter hook input priority 0\n udp dport 53 drop\n }\n}\n")
	if _, err := probe.Open(t.Context(), endpoints, services); err == nil || !strings.Contains(err.Error(), "positive control") {
		t.Errorf("a deaf receiver gave %v", err)
	}
}

func TestBusyPort(t *testing.T) {
	endpoints := hosts(t, 1)
	var ln net.Listener
	err := endpoints[0].NS.Do(func() (err error) {
		ln, err = net.Listen("tcp", ":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, err = probe.Open(t.Context(), endpoints, []probe.Service{{Protocol: probe.TCP, Port: 80}})
	if err == nil || !strings.Contains(err.Error(), "h0") || !strings.Contains(err.Error(), "tcp:80") {
		t.Errorf("a busy port gave %v", err)
	}
}

func TestRunEndsWithContext(t *testing.T) {
	endpoints := hosts(t, 2)
	services := []probe.Service{{Protocol: probe.TCP, Port: 80}}
	p := open(t, endpoints, services)
	filter(t, endpoints[1].NS, "table inet t {\n chain c {\n type filter hook input priority 0\n tcp dport 80 drop\n }\n}\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := p.Run(ctx, probe.Between(endpoints[0], endpoints[1], services), func(probe.Flow) probe.Verdict { return probe.Allowed })
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Second {
		t.Errorf("Run = %v after %v", err, time.Since(begin))
	}
}
