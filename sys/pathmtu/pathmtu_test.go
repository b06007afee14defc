// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathmtu_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/pathmtu"
	"github.com/weftnet/weft/sys/sysctl"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// line is two hosts with a router between.
type line struct {
	near, router, far *netns.NS
	toFar, farEnd     netlink.Link // the two ends of the far cable
}

var (
	near = []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}
	far  = []netip.Addr{netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("2001:db8:1::2")}
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{near: netnstest.New(t), router: netnstest.New(t), far: netnstest.New(t)}
	for _, ns := range []*netns.NS{l.near, l.router, l.far} {
		check(t, ns.Do(func() error {
			return errors.Join(sysctl.Set("net/ipv6/conf/default/accept_dad", "0"), sysctl.Set("net/ipv4/ip_forward", "1"),
				sysctl.Set("net/ipv6/conf/all/forwarding", "1"), sysctl.Set("net/ipv6/icmp/ratelimit", "0"))
		}))
	}
	cable(t, l.router, "near", []string{"192.0.2.1/24", "2001:db8::1/64"}, l.near, []string{"192.0.2.2/24", "2001:db8::2/64"})
	l.toFar, l.farEnd = cable(t, l.router, "far", []string{"198.51.100.1/24", "2001:db8:1::1/64"}, l.far, []string{"198.51.100.2/24", "2001:db8:1::2/64"})
	return l
}

// cable connects a host to the router and gives it a way out there.
func cable(t *testing.T, router *netns.NS, name string, gateways []string, host *netns.NS, addrs []string) (out, end netlink.Link) {
	t.Helper()
	at, err := netlink.Open(router)
	check(t, err)
	defer at.Close()
	inside, err := netlink.Open(host)
	check(t, err)
	defer inside.Close()
	out, err = at.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: name, MTU: 9000}, Peer: netlink.LinkSpec{Name: "eth0", MTU: 9000}, PeerNS: host})
	check(t, err)
	end, err = inside.Link("eth0")
	check(t, err)
	check(t, errors.Join(at.SetUp(out.Index, true), inside.SetUp(end.Index, true)))
	routes, err := netlink.OpenRoutes(host)
	check(t, err)
	defer func() { check(t, routes.Close()) }()
	for i := range gateways {
		gateway, addr := netip.MustParsePrefix(gateways[i]), netip.MustParsePrefix(addrs[i])
		check(t, at.AddAddr(netlink.Addr{Link: out.Index, Prefix: gateway, NoDAD: true}))
		check(t, inside.AddAddr(netlink.Addr{Link: end.Index, Prefix: addr, NoDAD: true}))
		failed, err := routes.Change([]netlink.RouteChange{{Op: netlink.RouteAdd, Route: netlink.Route{
			Dst: netip.PrefixFrom(addr.Addr(), 0).Masked(), Type: netlink.RouteUnicast, Metric: 1024, NextHops: []netlink.NextHop{{Gateway: gateway.Addr(), Link: end.Index}},
		}}})
		check(t, errors.Join(err, failed[0]))
	}
	return out, end
}

func setMTU(t *testing.T, ns *netns.NS, link netlink.Link, size int) {
	t.Helper()
	c, err := netlink.Open(ns)
	check(t, err)
	defer c.Close()
	check(t, c.SetMTU(link.Index, size))
}

// listen answers on the far host.
func (l *line) listen(t *testing.T, allow func(netip.Addr) bool) {
	t.Helper()
	for _, addr := range far {
		var s *pathmtu.Server
		check(t, l.far.Do(func() (err error) { s, err = pathmtu.Listen(addr, allow); return err }))
		t.Cleanup(func() { check(t, s.Close()) })
	}
}

func (l *line) measure(t *testing.T, f, most int) (r pathmtu.Result, err error) {
	t.Helper()
	err = l.near.Do(func() (err error) { r, err = pathmtu.Measure(t.Context(), near[f], far[f], most); return err })
	return r, err
}

func anybody(netip.Addr) bool { return true }

func TestWidePath(t *testing.T) {
	l := newLine(t)
	l.listen(t, anybody)
	for f := range near {
		if r, err := l.measure(t, f, 9000); err != nil || r.MTU != 9000 || r.Hop.IsValid() {
			t.Errorf("to %s: %+v, %v; want 9000", far[f], r, err)
		}
	}
}

// TestNarrowHopSaysSo: a router that cannot send on what it got says so, and is named.
func TestNarrowHopSaysSo(t *testing.T) {
	l := newLine(t)
	l.listen(t, anybody)
	setMTU(t, l.router, l.toFar, 1400)
	for f, hop := range []string{"192.0.2.1", "2001:db8::1"} {
		if r, err := l.measure(t, f, 9000); err != nil || r.MTU != 1400 || r.Hop != netip.MustParseAddr(hop) {
			t.Errorf("to %s: %+v, %v; want 1400 because of %s", far[f], r, err, hop)
		}
	}
}

// TestBlackHole: what vanishes without a word is found all the same.
func TestBlackHole(t *testing.T) {
	l := newLine(t)
	l.listen(t, anybody)
	setMTU(t, l.far, l.farEnd, 1437)
	for f := range near {
		r, err := l.measure(t, f, 1500)
		// The kernel lets a VLAN tag's four bytes pass above a link's MTU (is_skb_forwardable in include/linux/netdevice.h).
		if err != nil || r.MTU != 1437+4 || r.Hop.IsValid() {
			t.Errorf("to %s: %+v, %v; want 1441 of nobody's telling", far[f], r, err)
		}
	}
}

// TestBusyNode: one that answers the first packet and then no more, or none for a while, is not taken for a narrow path.
func TestBusyNode(t *testing.T) {
	l := newLine(t)
	for what, c := range map[string]struct {
		answer func(n int, send func())
		mtu    int
		err    error
	}{
		"gone":        {func(n int, send func()) { sendIf(n == 1, send) }, 0, pathmtu.ErrNoAnswer},
		"busy":        {func(n int, send func()) { sendIf(n == 1 || n > 3, send) }, 1500, nil},
		"slow":        {func(n int, send func()) { sendLate(n > 1, send) }, 1500, nil},
		"gone midway": {func(n int, send func()) { sendIf(n%2 == 1 && n < 8, send) }, 0, pathmtu.ErrNoAnswer},
	} {
		t.Run(what, func(t *testing.T) {
			l.answerAs(t, c.answer)
			if r, err := l.measure(t, 0, 1500); r.MTU != c.mtu || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want MTU %d, %v", r, err, c.mtu, c.err)
			}
		})
	}
}

func sendIf(yes bool, send func()) {
	if yes {
		send()
	}
}

// sendLate sends after what the asking side waits for an answer.
func sendLate(late bool, send func()) {
	if late {
		time.AfterFunc(150*time.Millisecond, send)
	} else {
		send()
	}
}

// answerAs hands each packet that the far host gets, numbered from 1, to a function, which may have it answered.
func (l *line) answerAs(t *testing.T, answer func(n int, send func())) {
	t.Helper()
	var conn net.PacketConn
	check(t, l.far.Do(func() (err error) {
		conn, err = net.ListenPacket("udp", netip.AddrPortFrom(far[0], pathmtu.Port).String())
		return err
	}))
	t.Cleanup(func() { _ = conn.Close() })
	go func() { // until the socket is closed
		for n := 1; ; n++ {
			buf := make([]byte, 9000)
			_, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			answer(n, func() { _, _ = conn.WriteTo(buf[:pathmtu.TokenSize], from) }) // what is lost is the asking side's to see
		}
	}()
}

func TestSilence(t *testing.T) {
	l := newLine(t)
	for what, allow := range map[string]func(netip.Addr) bool{"nobody listens": nil, "not allowed": func(netip.Addr) bool { return false }} {
		if allow != nil {
			l.listen(t, allow)
		}
		if r, err := l.measure(t, 0, 1500); !errors.Is(err, pathmtu.ErrNoAnswer) || !strings.Contains(err.Error(), "4794") {
			t.Errorf("%s: %+v, %v; want no answer", what, r, err)
		}
	}
}
