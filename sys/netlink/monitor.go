// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
)

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds.
const (
	// EventLost: the kernel dropped events because they came faster than they were read. Anything may have changed.
	EventLost EventKind = iota
	EventRoute
	EventLink
	EventAddr
	EventNeighbour // of OpenTunnelMonitor alone, as is EventRule, which says no more than whose rule it is
	EventRule
)

// Event is a change that somebody else made, or the kernel by itself.
//
// The kernel is silent about the IPv4 routes that go when a link goes down or loses its last address: watch EventLink and EventAddr.
type Event struct {
	Kind    EventKind
	Deleted bool
	Route   Route     // EventRoute: main table only
	Link    LinkState // EventLink; EventAddr and EventNeighbour: Index alone
	Addr    netip.Prefix
	// Neighbour is, with EventNeighbour, the entry of a neighbour table (Remote is not set), or of a forwarding database (Addr is not set).
	Neighbour NeighbourEvent
	// Protocol is who made the rule of EventRule.
	Protocol uint8
}

// NeighbourEvent is what an event says of an entry.
type NeighbourEvent struct {
	MAC          net.HardwareAddr // may be missing when an entry of a neighbour table goes
	Addr, Remote netip.Addr
}

// Monitor reads changes of routes, links and addresses of one network namespace as they happen.
type Monitor struct {
	s   *socket
	buf []byte
}

// OpenMonitor opens a monitor in ns; nil means the namespace of the calling thread. What the writer, if not nil, does itself is
// filtered out by the kernel.
func OpenMonitor(ns *netns.NS, writer *RouteConn) (*Monitor, error) {
	return openMonitor(ns, writer, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE)
}

// OpenTunnelMonitor is the same for changes of links, addresses, neighbours, forwarding entries and rules. The kernel does not say who changed a
// forwarding entry, so the writer's own come too.
func OpenTunnelMonitor(ns *netns.NS, writer *RouteConn) (*Monitor, error) {
	return openMonitor(ns, writer, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_NEIGH,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
}

// OpenLinkMonitor is the same for changes of links alone.
func OpenLinkMonitor(ns *netns.NS) (*Monitor, error) { return openMonitor(ns, nil, unix.RTNLGRP_LINK) }

func openMonitor(ns *netns.NS, writer *RouteConn, groups ...int) (*Monitor, error) {
	s, err := openSocket(ns, groups...)
	if err != nil {
		return nil, err
	}
	if writer != nil {
		if err := s.ignore(writer.s.port); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return &Monitor{s: s, buf: make([]byte, readBuffer)}, nil
}

// Close ends a blocked Next.
func (m *Monitor) Close() error { return m.s.close() }

// Next waits for the next changes. After Close the error Is os.ErrClosed.
func (m *Monitor) Next() ([]Event, error) {
	n, err := m.s.file.Read(m.buf)
	if errors.Is(err, unix.ENOBUFS) {
		return []Event{{Kind: EventLost}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("route monitor: %w", err)
	}
	var events []Event
	for msg, err := range messages(m.buf[:n]) {
		if err != nil {
			return nil, fmt.Errorf("route monitor: %w", err)
		}
		ev, ok, err := decodeEvent(msg)
		if err != nil {
			return nil, fmt.Errorf("route monitor: message of type %d: %w", msg.kind, err)
		}
		if ok {
			events = append(events, ev)
		}
	}
	return events, nil
}

// ignore makes the kernel drop the notifications whose header names port, the requester: a socket filter (SO_ATTACH_FILTER,
// socket(7)) reads nlmsg_pid at offset 12. Filters load words in network order, the header is in the machine's.
func (s *socket) ignore(port uint32) error {
	const all = 0xffffffff
	if native.Uint16([]byte{1, 0}) == 1 {
		port = bits.ReverseBytes32(port)
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: port, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: all},
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("socket filter: %w", err)
	}
	var attach error
	err = raw.Control(func(fd uintptr) {
		attach = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	if err = errors.Join(err, attach); err != nil {
		return fmt.Errorf("socket filter: %w", err)
	}
	return nil
}
