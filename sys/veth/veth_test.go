// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/sysctl"
	"github.com/weftnet/weft/sys/veth"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

var (
	v4   = netip.MustParseAddr("10.9.0.7")
	v6   = netip.MustParseAddr("fd09::7")
	dual = []netip.Addr{v4, v6}
)

type bench struct {
	testing.TB
	links *veth.Links
	host  *netlink.Conn
}

func open(t testing.TB) *bench {
	t.Helper()
	links, err := veth.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(links.Close)
	host, err := netlink.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return &bench{t, links, host}
}

// make gives a new namespace an interface with addresses; its host side is deleted at the end.
func (b *bench) make(name string, addrs []netip.Addr, change ...func(*veth.Spec)) (veth.Spec, netlink.Link) {
	b.Helper()
	s := veth.Spec{HostName: name, Owner: "owner-of-" + name, NS: netnstest.New(b), IfName: "eth0", MAC: veth.RandomMAC(),
		IPv4: slices.ContainsFunc(addrs, netip.Addr.Is4), IPv6: slices.ContainsFunc(addrs, netip.Addr.Is6)}
	for _, c := range change {
		c(&s)
	}
	if err := b.build(s, addrs); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = b.links.Delete(s.HostName, s.Owner) })
	link, err := b.host.Link(name)
	if err != nil {
		b.Fatal(err)
	}
	return s, link
}

// build creates and addresses an interface.
func (b *bench) build(s veth.Spec, addrs []netip.Addr) error {
	i, err := b.links.Create(s)
	if err != nil {
		return err
	}
	return errors.Join(i.Address(addrs), i.Close())
}

func TestBothEnds(t *testing.T) {
	b := open(t)
	s, host := b.make("calitest", dual, func(s *veth.Spec) { s.MTU = 1400 })
	if !host.Running || host.MTU != 1400 || host.MAC.String() != "ee:ee:ee:ee:ee:ee" || host.Alias != s.Owner {
		t.Errorf("host side %+v", host)
	}
	addrs, err := b.host.Addrs(host.Index)
	if err != nil {
		t.Fatal(err)
	}
	if len(addrs) != 1 || addrs[0].Prefix.Addr() != veth.Gateway6 || addrs[0].Tentative {
		t.Errorf("host side addresses %+v, want %s alone and usable", addrs, veth.Gateway6)
	}
	for key, want := range map[string]string{
		"net/ipv4/conf/calitest/proxy_arp": "1", "net/ipv4/conf/calitest/forwarding": "1", "net/ipv4/conf/calitest/route_localnet": "1",
		"net/ipv4/neigh/calitest/proxy_delay": "0", "net/ipv6/conf/calitest/forwarding": "1", "net/ipv6/conf/calitest/accept_ra": "0",
	} {
		if got, err := sysctl.Get(key); got != want {
			t.Errorf("%s = %q, %v; want %s", key, got, err, want)
		}
	}
	err = s.NS.Do(func() error {
		conn, err := netlink.Open(nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		inside, err := conn.Link("eth0")
		if err != nil {
			return err
		}
		if inside.MTU != 1400 || !slices.Equal(inside.MAC, s.MAC) || !inside.Running {
			t.Errorf("workload's side %+v, want MAC %s", inside, s.MAC)
		}
		addrs, err := conn.Addrs(inside.Index)
		for _, a := range addrs {
			if a.Tentative || a.Prefix.Addr() == v6 && a.Prefix.Bits() != 128 || a.Prefix.Addr() == v4 && a.Prefix.Bits() != 32 {
				t.Errorf("workload's address %+v", a)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.links.Check(s, dual); err != nil {
		t.Errorf("check of a sound interface: %v", err)
	}
}

func TestIPv6SwitchedOffByTheRuntime(t *testing.T) {
	b := open(t)
	s := veth.Spec{HostName: "calioff", Owner: "o", NS: netnstest.New(t), IfName: "eth0", MAC: veth.RandomMAC(), IPv4: true, IPv6: true}
	err := s.NS.Do(func() error { return sysctl.Set("net/ipv6/conf/all/disable_ipv6", "1") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.links.Delete(s.HostName, s.Owner) })
	if err := b.build(s, dual); err != nil {
		t.Fatal(err)
	}
	if err := b.links.Check(s, dual); err != nil {
		t.Error(err)
	}
}

func TestForward(t *testing.T) {
	b := open(t)
	for _, want := range []string{"0", "1"} {
		s, _ := b.make("califwd", dual, func(s *veth.Spec) { s.Forward = want == "1" })
		_ = s.NS.Do(func() error {
			for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
				if got, err := sysctl.Get(key); got != want {
					t.Errorf("Forward %s: %s = %q, %v", want, key, got, err)
				}
			}
			return nil
		})
		if err := b.links.Delete(s.HostName, s.Owner); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeleteTakesBothEndsAtOnce(t *testing.T) {
	b := open(t)
	s, _ := b.make("calidel", dual)
	start := time.Now()
	if err := b.links.Delete(s.HostName, s.Owner); err != nil {
		t.Fatal(err)
	}
	t.Logf("deleted after %v", time.Since(start))
	if _, err := b.host.Link(s.HostName); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("host side after Delete: %v", err)
	}
	_ = s.NS.Do(func() error {
		if _, err := net.InterfaceByName("eth0"); err == nil {
			t.Error("workload's side is still there after Delete")
		}
		return nil
	})
	if err := b.links.Delete(s.HostName, s.Owner); err != nil {
		t.Errorf("second Delete: %v", err)
	}
	if err := b.build(s, dual); err != nil {
		t.Errorf("Create right after Delete: %v", err)
	}
}

func TestOwnership(t *testing.T) {
	b := open(t)
	mine, _ := b.make("calimine", dual)
	other := mine
	other.Owner, other.NS = "other", netnstest.New(t)
	if _, err := b.links.Create(other); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), mine.Owner) {
		t.Errorf("Create of a name of another owner: %v, want ErrExist that names %s", err, mine.Owner)
	}
	if err := b.links.Delete("calimine", "other"); err != nil {
		t.Errorf("Delete by another: %v", err)
	}
	if err := b.links.Check(mine, dual); err != nil {
		t.Errorf("the interface suffered: %v", err)
	}
	if err := b.build(mine, dual); err != nil { // a left-over of the same owner is replaced
		t.Errorf("Create over a left-over: %v", err)
	}
}

// TestForeignLink: another network on the machine may use the same name prefix.
func TestForeignLink(t *testing.T) {
	b := open(t)
	foreign, err := b.host.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "califoreign"}, Peer: netlink.LinkSpec{Name: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.host.DeleteLink(foreign.Index) })
	s := veth.Spec{HostName: "califoreign", Owner: "me", NS: netnstest.New(t), IfName: "eth0", MAC: veth.RandomMAC()}
	if _, err := b.links.Create(s); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "not made by weft") {
		t.Errorf("Create over a foreign link: %v", err)
	}
	if err := b.links.Delete("califoreign", "me"); err != nil {
		t.Errorf("Delete of a foreign link: %v", err)
	}
	if now, err := b.host.Link("califoreign"); err != nil || now.Index != foreign.Index {
		t.Errorf("the foreign link was touched: %+v, %v", now, err)
	}
}

func TestInsideNameTaken(t *testing.T) {
	b := open(t)
	s := veth.Spec{HostName: "calilo", Owner: "me", NS: netnstest.New(t), IfName: "lo", MAC: veth.RandomMAC()}
	if _, err := b.links.Create(s); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "link lo") {
		t.Errorf("Create with a taken name inside: %v, want ErrExist that names lo", err)
	}
	if _, err := b.host.Link("calilo"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a failed Create left its host side: %v", err)
	}
}

// TestCheckNamesWhatIsLost damages a sound interface in every way that matters.
func TestCheckNamesWhatIsLost(t *testing.T) {
	b := open(t)
	for what, damage := range map[string]func(conn *netlink.Conn, rc *netlink.RouteConn, link int) error{
		"it is down": func(c *netlink.Conn, _ *netlink.RouteConn, link int) error { return c.SetUp(link, false) },
		"it has lost its address 10.9.0.7": func(c *netlink.Conn, _ *netlink.RouteConn, link int) error {
			return c.DeleteAddr(netlink.Addr{Link: link, Prefix: netip.PrefixFrom(v4, 32)})
		},
		"it has lost its address fd09::7": func(c *netlink.Conn, _ *netlink.RouteConn, link int) error {
			return c.DeleteAddr(netlink.Addr{Link: link, Prefix: netip.PrefixFrom(v6, 128)})
		},
		"lost its default route via 169.254.1.1":   loseDefault(v4),
		"lost its default route via fe80::ecee:ee": loseDefault(v6),
		"link eth0": func(c *netlink.Conn, _ *netlink.RouteConn, link int) error { return c.DeleteLink(link) },
	} {
		s, host := b.make("calicheck", dual)
		err := s.NS.Do(func() error {
			conn, err := netlink.Open(nil)
			if err != nil {
				return err
			}
			defer conn.Close()
			rc, err := netlink.OpenRoutes(nil)
			if err != nil {
				return err
			}
			return errors.Join(damage(conn, rc, host.Peer), rc.Close())
		})
		if err != nil {
			t.Fatalf("%s: damage: %v", what, err)
		}
		if err := b.links.Check(s, dual); err == nil || !strings.Contains(err.Error(), what) && what != "link eth0" {
			t.Errorf("Check = %v, want %q in it", err, what)
		}
		if err := b.links.Delete(s.HostName, s.Owner); err != nil {
			t.Fatal(err)
		}
	}
}

func loseDefault(addr netip.Addr) func(*netlink.Conn, *netlink.RouteConn, int) error {
	return func(_ *netlink.Conn, rc *netlink.RouteConn, link int) error {
		metric := map[bool]uint32{true: 0, false: 1024}[addr.Is4()]
		failed, err := rc.Change([]netlink.RouteChange{{Op: netlink.RouteDelete, Route: netlink.Route{Dst: netip.PrefixFrom(addr, 0).Masked(), Metric: metric, Protocol: 3}}})
		return errors.Join(err, failed[0])
	}
}

func BenchmarkCreateAddressDelete(b *testing.B) {
	t := open(b)
	s := veth.Spec{HostName: "calibench", Owner: "o", NS: netnstest.New(b), IfName: "eth0", MAC: veth.RandomMAC(), IPv4: true, IPv6: true}
	for b.Loop() {
		if err := errors.Join(t.build(s, dual), t.links.Delete(s.HostName, s.Owner)); err != nil {
			b.Fatal(err)
		}
	}
}
