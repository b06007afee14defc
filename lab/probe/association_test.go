// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/probe"
)

// TestAssociationsNameThePortReached dials ports of a host that leads one of them to another: that one, one that answers by itself, and one where nobody is.
func TestAssociationsNameThePortReached(t *testing.T) {
	hosts := hosts(t, 2)
	client, server := hosts[0], hosts[1]
	filter(t, server.NS, "table inet t {\n chain c {\n type nat hook prerouting priority -100\n sctp dport 80 redirect to :81\n }\n}\n")
	for family, at := range server.Addrs {
		greeter := in(t, server, func() (io.Closer, error) { return probe.GreetSCTP(at, 80, 81) })
		defer func() { _ = greeter.Close() }()
		for port, want := range map[uint16]string{80: "   81", 81: "   81"} {
			conn := in(t, client, func() (*probe.SCTPConn, error) {
				return probe.DialSCTP(client.Addrs[family], netip.AddrPortFrom(at, port))
			})
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 5)
			for range 2 { // the association stays the same
				if _, err := conn.Write([]byte("?")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != want {
					t.Errorf("%s to %s: greeted with %q, %v; want %q", conn.LocalAddr(), conn.RemoteAddr(), buf, err, want)
				}
			}
		}
		silent := in(t, client, func() (*probe.SCTPConn, error) {
			return probe.DialSCTP(client.Addrs[family], netip.AddrPortFrom(at, 82))
		})
		defer func() { _ = silent.Close() }()
		if err := silent.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := silent.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		if n, err := silent.Read(make([]byte, 5)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v; want nothing from a port that is not greeted at", silent.RemoteAddr(), n, err)
		}
	}
}

// in calls f in the namespace of an endpoint.
func in[T any](t *testing.T, e probe.Endpoint, f func() (T, error)) (out T) {
	t.Helper()
	if err := e.NS.Do(func() (err error) { out, err = f(); return err }); err != nil {
		t.Fatal(err)
	}
	return out
}
