// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netns"
)

// TestReject: what policy denies is answered, and a change of the setting is one delta that leaves the policies' rules alone.
func TestReject(t *testing.T) {
	p := newPath(t)
	d := newDriver(t, p.router)
	view := inFront(t, 1) // allows port 5432 alone
	apply(t, d, view, nil)
	rules := func() []uint64 {
		var handles []uint64
		list, err := d.conn.Rules(tableName, policyChain(np("p0"), roleIn, ipv4))
		check(t, err)
		for _, r := range list {
			handles = append(handles, r.Handle)
		}
		return handles
	}
	before := rules()
	silent := func(what string) {
		t.Helper()
		for _, network := range []string{"tcp4", "udp4"} {
			if err := knock(t, p.a, network, "10.65.0.2:9", 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %s to a denied port: %v; want silence", what, network, err)
			}
		}
	}
	change := func(reject bool) {
		t.Helper()
		settings := *view.Settings()
		settings.Reject = reject
		delta := &desired.Delta{Settings: &settings}
		check(t, view.Apply(delta))
		ledger := d.ledger
		apply(t, d, view, delta)
		if d.ledger != ledger {
			t.Error("the settings were not applied as a delta")
		}
		if n := differences(t, d, view); n != 0 {
			t.Errorf("%d differences", n)
		}
	}
	silent("by default")
	change(true)
	for network, want := range map[string]error{"tcp4": unix.ECONNREFUSED, "udp4": unix.EHOSTUNREACH} {
		if err := knock(t, p.a, network, "10.65.0.2:9", 10*time.Second); !errors.Is(err, want) {
			t.Errorf("%s to a denied port: %v; want %v", network, err, want)
		}
	}
	change(false)
	silent("again")
	if after := rules(); len(before) == 0 || after[0] != before[0] {
		t.Errorf("rules %v became %v", before, after)
	}
}

// send sends a datagram from a source port of its own.
func send(from *netns.NS, address string) error {
	return from.Do(func() error {
		conn, err := net.Dial("udp4", address)
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte("datagram"))
		return errors.Join(err, conn.Close())
	})
}

// knock sends to an address that never answers, and returns what the kernel says to it.
func knock(t *testing.T, from *netns.NS, network, address string, patience time.Duration) error {
	t.Helper()
	return from.Do(func() error {
		conn, err := net.DialTimeout(network, address, patience)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return os.ErrDeadlineExceeded
		}
		if err != nil {
			return err
		}
		defer func() { check(t, conn.Close()) }()
		if _, err := conn.Write([]byte("knock")); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	})
}
