// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package netlink changes links, addresses, routes and rules of one network namespace: Open a Conn, then call what you need.
//
// Values are plain (netip, net.HardwareAddr, link indexes); nothing of the library below shows. Every error names the object and
// Is fs.ErrNotExist or fs.ErrExist where the kernel said so.
package netlink

import (
	"errors"
	"fmt"
	"io/fs"

	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
)

// ErrInUse says that somebody else has what is to be used: the UDP port of a tunnel.
var ErrInUse error = unix.EADDRINUSE

// Conn is a route netlink socket (rtnetlink(7)) bound to one network namespace. It is safe for concurrent use. Close it after use.
type Conn struct {
	h *vnl.Handle
}

// Open opens a connection to ns; nil means the namespace of the calling thread.
func Open(ns *netns.NS) (*Conn, error) {
	c := &Conn{}
	open := func() (err error) {
		c.h, err = vnl.NewHandle(unix.NETLINK_ROUTE)
		return err
	}
	enter := open
	if ns != nil {
		enter = func() error { return ns.Do(open) }
	}
	if err := enter(); err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return c, nil
}

// Close closes the socket.
func (c *Conn) Close() { c.h.Close() }

// wrap adds what was done to which object, and turns the errors of kernel and library into the ones a caller can branch on.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	var missing vnl.LinkNotFoundError
	switch {
	case errors.As(err, &missing), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ESRCH), errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%s: %w", what, fs.ErrExist)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// whole asks for a list until it is of one moment: the kernel says when something has changed in the middle.
func whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range dumpTries {
		if all, err = list(); !errors.Is(err, vnl.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
