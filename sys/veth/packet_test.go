// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/sysctl"
	"github.com/weftnet/weft/sys/veth"
)

// patience is shorter than the second after which the kernel repeats a question (ARP, neighbour discovery) and looks for duplicates.
const patience = 900 * time.Millisecond

// routed adds the host's route to a workload.
func routed(link netlink.Link, addr netip.Addr) error {
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return err
	}
	err = conn.Batch(netlink.RouteChange{Op: netlink.RouteReplace, Route: netlink.Route{
		Dst: netip.PrefixFrom(addr, addr.BitLen()), Type: netlink.RouteUnicast, Protocol: 4, Metric: 7, NextHops: []netlink.NextHop{{Link: link.Index}},
	}})
	return errors.Join(err, conn.Close())
}

// serve answers datagrams to any address of a namespace.
func serve(t *testing.T, ns *netns.NS) {
	t.Helper()
	var pc net.PacketConn
	if err := ns.Do(func() (err error) { pc, err = net.ListenPacket("udp", ":7"); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 16)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(buf[:n], from)
		}
	}()
}

// ask sends one datagram and waits for the answer.
func ask(ns *netns.NS, server netip.Addr) error {
	return ns.Do(func() error {
		client, err := net.Dial("udp", netip.AddrPortFrom(server, 7).String())
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		_ = client.SetDeadline(time.Now().Add(patience))
		if _, err := client.Write([]byte("first")); err != nil {
			return err
		}
		_, err = client.Read(make([]byte, 16))
		return err
	})
}

// TestFirstPacket sends a datagram from and to a workload the moment its interface is configured. Whatever is not ready by then,
// on either side, loses it, and the sender waits for a second.
func TestFirstPacket(t *testing.T) {
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err := sysctl.Set(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t)
	old := map[bool]netip.Addr{true: netip.MustParseAddr("10.9.0.1"), false: netip.MustParseAddr("fd09::1")}
	neighbour, link := b.make("caliold", []netip.Addr{old[true], old[false]})
	serve(t, neighbour.NS)
	for _, addr := range old {
		if err := routed(link, addr); err != nil {
			t.Fatal(err)
		}
	}
	for _, addr := range dual {
		for _, way := range []string{"from", "to"} {
			ns := netnstest.New(t)
			serve(t, ns)
			s, link := b.make("califresh", []netip.Addr{addr}, func(s *veth.Spec) { s.NS = ns })
			if err := routed(link, addr); err != nil {
				t.Fatal(err)
			}
			start, err := time.Now(), error(nil)
			if way == "from" {
				err = ask(ns, old[addr.Is4()])
			} else {
				err = ask(neighbour.NS, addr)
			}
			if err != nil {
				t.Errorf("first packet %s %s: %v", way, addr, err)
			}
			t.Logf("%s %s answered after %v", way, addr, time.Since(start))
			if err := b.links.Delete(s.HostName, s.Owner); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestHostKnowsTheWorkload: the host sends without asking, so a workload that answers no ARP (arp_ignore 8) is reached all the same.
func TestHostKnowsTheWorkload(t *testing.T) {
	b := open(t)
	s, link := b.make("califresh", []netip.Addr{v4})
	serve(t, s.NS)
	if err := s.NS.Do(func() error { return sysctl.Set("net/ipv4/conf/eth0/arp_ignore", "8") }); err != nil {
		t.Fatal(err)
	}
	neighbour, old := b.make("caliold", []netip.Addr{netip.MustParseAddr("10.9.0.1")})
	err := errors.Join(sysctl.Set("net/ipv4/ip_forward", "1"), routed(link, v4), routed(old, netip.MustParseAddr("10.9.0.1")), ask(neighbour.NS, v4))
	if err != nil {
		t.Error(err)
	}
}
