// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package packet_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/packet"
	"github.com/weftnet/weft/sys/sysctl"
)

// pair makes a namespace with two connected interfaces and a packet socket on each.
func pair(t *testing.T) (a, b *packet.Conn) {
	t.Helper()
	name := fmt.Sprintf("weft-packet%d", os.Getpid())
	ns, err := netns.Create(name)
	check(t, err)
	t.Cleanup(func() {
		check(t, ns.Close())
		check(t, netns.Delete(name))
	})
	check(t, ns.Do(func() error { return sysctl.Set("net/ipv6/conf/default/disable_ipv6", "1") }))
	links, err := netlink.Open(ns)
	check(t, err)
	defer links.Close()
	veth, err := links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "a"}, Peer: netlink.LinkSpec{Name: "b"}})
	check(t, err)
	check(t, links.SetUp(veth.Index, true))
	check(t, links.SetUp(veth.Peer, true))
	for _, index := range []int{veth.Index, veth.Peer} { // before that, frames are thrown away
		for deadline := time.Now().Add(5 * time.Second); ; {
			link, err := links.LinkByIndex(index)
			check(t, err)
			if link.Running {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not come up", link.Name)
			}
		}
	}
	check(t, ns.Do(func() error {
		a, err = packet.Open("a")
		check(t, err)
		b, err = packet.Open("b")
		check(t, err)
		_, err = packet.Open("none")
		if err == nil {
			t.Error("opened an interface that does not exist")
		}
		return nil
	}))
	t.Cleanup(func() { check(t, errors.Join(a.Close(), b.Close())) })
	return a, b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSendReceive(t *testing.T) {
	a, b := pair(t)
	buf := make([]byte, 2000)
	err := packet.OnOneCPU(func() error {
		for i := range 50 {
			frame := append(bytes.Repeat([]byte{0xee}, 12), 0x88, 0xb5, byte(i)) // an EtherType for experiments
			if err := a.Send(frame); err != nil {
				return err
			}
			got, err := b.Receive(buf, 1e9)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, frame) {
				t.Errorf("received % x; sent % x", got, frame)
			}
		}
		return nil
	})
	check(t, err)
	if got, err := a.Receive(buf, 0); !errors.Is(err, packet.ErrTimeout) {
		t.Errorf("received own frame % x, %v", got, err)
	}
}

func TestHost(t *testing.T) {
	name := fmt.Sprintf("weft-packeth%d", os.Getpid())
	ns, err := netns.Create(name)
	check(t, err)
	t.Cleanup(func() {
		check(t, ns.Close())
		check(t, netns.Delete(name))
	})
	links, err := netlink.Open(ns)
	check(t, err)
	defer links.Close()
	const loopback = 1 // the index of lo everywhere
	check(t, links.SetUp(loopback, true))
	const experimental = 253 // RFC 3692
	var host *packet.Host
	check(t, ns.Do(func() error {
		host, err = packet.OpenHost(7, experimental)
		return err
	}))
	t.Cleanup(func() { check(t, host.Close()) })
	buf := make([]byte, 2000)
	if got, err := host.Receive(buf, 0); !errors.Is(err, packet.ErrTimeout) {
		t.Errorf("received % x, %v with nothing sent", got, err)
	}
	for _, addr := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")} {
		content := []byte("to " + addr.String())
		p := append([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, experimental, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}, content...)
		if addr.Is6() {
			p = append([]byte{0x60, 0, 0, 0, 0, byte(len(content)), experimental, 64}, slices.Concat(addr.AsSlice(), addr.AsSlice(), content)...)
		}
		check(t, host.Send(addr, p))
		got, err := host.Receive(buf, 5*time.Second)
		check(t, err)
		if !bytes.Equal(got, content) {
			t.Errorf("received %q; want %q", got, content)
		}
	}
}
