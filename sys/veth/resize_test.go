// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"errors"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/veth"
)

func TestResize(t *testing.T) {
	b := open(t)
	s, host := b.make("calisize", dual)
	for _, size := range []int{9000, 1280, 1450, 1450} {
		s.MTU = size
		if err := b.links.Resize(s); err != nil {
			t.Fatal(err)
		}
		b.sized(s, host, size)
		if err := b.links.Check(s, dual); err != nil {
			t.Errorf("at %d: %v", size, err)
		}
	}
	other := s
	other.Owner, other.MTU = "other", 1300
	gone := veth.Spec{HostName: "caligone", Owner: "o", NS: netnstest.New(t), IfName: "eth0", MTU: 1300}
	if err := errors.Join(b.links.Resize(other), b.links.Resize(gone)); err != nil {
		t.Errorf("what is another's, or gone: %v", err)
	}
	b.sized(s, host, 1450)
}

// sized fails unless both ends have an MTU.
func (b *bench) sized(s veth.Spec, host netlink.Link, want int) {
	b.Helper()
	outside, err := b.host.LinkByIndex(host.Index)
	if err != nil || outside.MTU != want {
		b.Errorf("host side has %d, %v; want %d", outside.MTU, err, want)
	}
	err = s.NS.Do(func() error {
		conn, err := netlink.Open(nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		inside, err := conn.Link(s.IfName)
		if inside.MTU != want {
			b.Errorf("workload's side has %d; want %d", inside.MTU, want)
		}
		return err
	})
	if err != nil {
		b.Error(err)
	}
}
