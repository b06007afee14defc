// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/probe"
)

func space(t *testing.T) *netns.NS {
	t.Helper()
	name := fmt.Sprintf("weft-probet%d", os.Getpid())
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	return ns
}

func connect(t *testing.T, ns *netns.NS, src string, dst netip.AddrPort) net.Conn {
	t.Helper()
	var conn net.Conn
	err := ns.Do(func() (err error) {
		conn, err = probe.Connect(netip.MustParseAddr(src), dst)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestConnectUsedOutsideTheNamespace(t *testing.T) {
	ns := space(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		var ln net.Listener
		err := ns.Do(func() (err error) {
			ln, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := ln.Accept(); err == nil {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}
		}()
		conn := connect(t, ns, host, netip.MustParseAddrPort(ln.Addr().String()))
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatalf("%s: write: %v", host, err)
		}
		buf := make([]byte, 5)
		if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "hello" {
			t.Errorf("%s: read %q, %v", host, buf, err)
		}
		_ = ln.Close()
	}
}

func TestConnectRefused(t *testing.T) {
	conn := connect(t, space(t), "127.0.0.1", netip.MustParseAddrPort("127.0.0.1:9"))
	if _, err := conn.Write([]byte("x")); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("write = %v, want connection refused", err)
	}
}

func TestConnectTimesOut(t *testing.T) {
	ns := space(t)
	nl, err := netlink.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer nl.Close()
	br, err := nl.AddBridge(netlink.LinkSpec{Name: "br0", Up: true}) // nobody answers on it
	if err != nil {
		t.Fatal(err)
	}
	if err := nl.AddAddr(netlink.Addr{Link: br.Index, Prefix: netip.MustParsePrefix("192.0.2.1/24")}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, ns, "192.0.2.1", netip.MustParseAddrPort("192.0.2.9:80"))
	if err := conn.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write = %v, want a timeout", err)
	}
}
