// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package probe opens sockets for measuring reachability: Connect starts a TCP connection without waiting for it.
//
// The standard library makes the socket and waits for the connection in one call. A prober that works in many network namespaces must
// part the two: the socket is made inside netns.NS.Do, and hundreds of connections are then waited for outside, without a thread each.
package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Connect starts connecting from the address src, with any port, to dst, and returns at once. The first Write waits for the connection;
// it fails when the connection is refused, and like every call when the deadline has passed.
func Connect(src netip.Addr, dst netip.AddrPort) (net.Conn, error) {
	family := unix.AF_INET6
	if dst.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: socket: %w", dst, err)
	}
	f := os.NewFile(uintptr(fd), "tcp "+dst.String())
	defer func() { _ = f.Close() }() // net.FileConn keeps a duplicate
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(src, 0))); err != nil {
		return nil, fmt.Errorf("connect to %s: bind to %s: %w", dst, src, err)
	}
	if err := unix.Connect(fd, sockaddr(dst)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return nil, fmt.Errorf("connect to %s: %w", dst, err)
	}
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", dst, err)
	}
	return conn, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
