// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/capture"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/packet"
)

// TestTap: what a link receives is counted, what it sends is not, and a link that does not exist is an error.
func TestTap(t *testing.T) {
	ns := netnstest.New(t)
	links, err := netlink.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	veth, err := links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "a", Up: true}, Peer: netlink.LinkSpec{Name: "b"}})
	if err = errors.Join(err, links.SetUp(veth.Peer, true)); err != nil {
		t.Fatal(err)
	}
	for _, index := range []int{veth.Index, veth.Peer} { // before that, frames are thrown away
		for deadline := time.Now().Add(5 * time.Second); ; {
			link, err := links.LinkByIndex(index)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%s does not come up: %v", link.Name, err)
			}
			if link.Running {
				break
			}
		}
	}
	tap, err := capture.Start(ns, "b")
	if err != nil {
		t.Fatal(err)
	}
	var a, b *packet.Conn
	err = ns.Do(func() (err error) {
		if a, err = packet.Open("a"); err == nil {
			b, err = packet.Open("b")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(a.Close(), b.Close()) }()
	there, back := ethernet(ip("192.0.2.1", "192.0.2.2", 6, make([]byte, 20))), ethernet(ip("192.0.2.2", "192.0.2.1", 6, make([]byte, 20)))
	for range 3 {
		if err := errors.Join(a.Send(there), b.Send(back)); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := tap.Stop()
	if err != nil {
		t.Fatal(err)
	}
	for p, n := range map[string]int{"bare 192.0.2.1 > 192.0.2.2": 3, "bare 192.0.2.2 > 192.0.2.1": 0} {
		got := 0
		for q, m := range seen {
			if q.String() == p {
				got += m
			}
		}
		if got != n {
			t.Errorf("%s: %d times, want %d", p, got, n)
		}
	}
	if _, err := capture.Start(ns, "none"); err == nil {
		t.Error("a link that does not exist is listened to")
	}
}
