// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
)

// open makes a namespace for one test and connects to it.
func open(t *testing.T, suffix string) (*netns.NS, *netlink.Conn) {
	t.Helper()
	name := fmt.Sprintf("weft-nlt%d-%s", os.Getpid(), suffix)
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	c, err := netlink.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return ns, c
}

func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestVethAcrossNamespaces(t *testing.T) {
	_, near := open(t, "near")
	farNS, far := open(t, "far")
	mac := net.HardwareAddr{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
	link := must[netlink.Link](t)
	got := link(near.AddVeth(netlink.VethSpec{
		LinkSpec: netlink.LinkSpec{Name: "cali0", MTU: 1400, MAC: mac, Up: true},
		Peer:     netlink.LinkSpec{Name: "eth0", MTU: 1400},
		PeerNS:   farNS,
	}))
	if got.Kind != "veth" || got.MTU != 1400 || got.MAC.String() != mac.String() || !got.Up || got.Running {
		t.Errorf("near end %+v", got)
	}
	peer := link(far.Link("eth0"))
	if peer.Up || peer.MTU != 1400 || got.Peer != peer.Index || peer.Peer != got.Index {
		t.Errorf("far end %+v of %+v", peer, got)
	}
	if _, err := near.Link("eth0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the far end shows in the near namespace: %v", err)
	}
	if err := far.SetUp(peer.Index, true); err != nil {
		t.Fatal(err)
	}
	if !link(near.LinkByIndex(got.Index)).Running {
		t.Error("both ends are up, yet there is no carrier")
	}
	if err := near.DeleteLink(got.Index); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Link("eth0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the far end outlived the near one: %v", err)
	}
	if err := near.DeleteLink(got.Index); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("second delete: %v, want ErrNotExist", err)
	}
}

func TestVethNameTaken(t *testing.T) {
	_, c := open(t, "dup")
	spec := netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "a"}, Peer: netlink.LinkSpec{Name: "b"}}
	must[netlink.Link](t)(c.AddVeth(spec))
	if _, err := c.AddVeth(spec); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second veth of one name: %v, want ErrExist", err)
	}
}

func TestLinkSettings(t *testing.T) {
	_, c := open(t, "set")
	link := must[netlink.Link](t)
	br := link(c.AddBridge(netlink.LinkSpec{Name: "br0", Up: true}))
	port := link(c.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "p"}, Peer: netlink.LinkSpec{Name: "q"}}))
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	err := errors.Join(
		c.SetMaster(port.Index, br.Index), c.SetMTU(port.Index, 1300), c.SetMAC(port.Index, mac),
		c.SetAlias(port.Index, "some text"), c.Rename(port.Index, "port"), c.SetUp(port.Index, true))
	if err != nil {
		t.Fatal(err)
	}
	got := link(c.Link("port"))
	if got.Master != br.Index || got.MTU != 1300 || got.MAC.String() != mac.String() || got.Alias != "some text" || !got.Up {
		t.Errorf("port %+v", got)
	}
	if err := errors.Join(c.SetMaster(port.Index, 0), c.SetUp(port.Index, false)); err != nil {
		t.Fatal(err)
	}
	if got = link(c.Link("port")); got.Master != 0 || got.Up {
		t.Errorf("released port %+v", got)
	}
	names := []string{}
	for _, l := range must[[]netlink.Link](t)(c.Links()) {
		names = append(names, l.Name)
	}
	for _, want := range []string{"lo", "br0", "port", "q"} {
		if !slices.Contains(names, want) {
			t.Errorf("links %v lack %s", names, want)
		}
	}
}

func TestAddrs(t *testing.T) {
	_, c := open(t, "addr")
	br := must[netlink.Link](t)(c.AddBridge(netlink.LinkSpec{Name: "br0", Up: true}))
	want := []netlink.Addr{
		{Link: br.Index, Prefix: netip.MustParsePrefix("192.0.2.7/24")},
		{Link: br.Index, Prefix: netip.MustParsePrefix("2001:db8::7/64"), NoDAD: true},
	}
	for _, a := range want {
		if err := c.AddAddr(a); err != nil {
			t.Fatal(err)
		}
		if err := c.AddAddr(a); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second add of %s: %v, want ErrExist", a.Prefix, err)
		}
	}
	got := must[[]netlink.Addr](t)(c.Addrs(br.Index))
	for _, a := range want {
		if !slices.Contains(got, a) {
			t.Errorf("addresses %+v lack %+v", got, a)
		}
	}
	all := must[[]netlink.Addr](t)(c.Addrs(0))
	if len(all) <= len(got) {
		t.Errorf("all addresses %+v lack the loopback's", all)
	}
	for _, a := range want {
		if err := c.DeleteAddr(a); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteAddr(a); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("second delete of %s: %v, want ErrNotExist", a.Prefix, err)
		}
	}
}
