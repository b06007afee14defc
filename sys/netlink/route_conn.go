// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
)

const (
	// changeBatch bounds the bytes of one send: far below the default send buffer (212 KiB), some 1,000 routes.
	changeBatch = 64 << 10
	// dumpTries bounds how often a dump is repeated that a change interrupted (NLM_F_DUMP_INTR).
	dumpTries = 8
)

// RouteConn reads and changes the main routing table of one network namespace in batches: one system call carries up to a thousand
// requests, and only failures and the end of a batch are answered. It is safe for concurrent use.
type RouteConn struct {
	mu   sync.Mutex
	s    *socket
	seq  uint32
	out  builder
	held *Held // nil: none
}

// OpenRoutes opens a connection to ns; nil means the namespace of the calling thread.
func OpenRoutes(ns *netns.NS) (*RouteConn, error) {
	s, err := openSocket(ns)
	if err != nil {
		return nil, err
	}
	return &RouteConn{s: s}, nil
}

// Close closes the socket.
func (c *RouteConn) Close() error { return c.s.close() }

// Change sends the changes in order. The map holds, by index into changes, those that the kernel refused; all others are in force.
// A non-nil error means that the connection failed and the outcome is unknown: List tells.
func (c *RouteConn) Change(changes []RouteChange) (map[int]error, error) {
	return c.send(len(changes), func(i int, seq uint32) { c.out.appendChange(changes[i], seq) }, func(i int) string { return changes[i].String() })
}

// send sends n requests in order, as many at a time as fit, behind what is held. The map holds, by index, those that the kernel refused, and is
// nil without any.
func (c *RouteConn) send(n int, encode func(i int, seq uint32), name func(i int) string) (map[int]error, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held; h != nil && n > 0 {
		return c.sendBehind(h, n, encode, name)
	}
	return c.sendAll(n, encode, name)
}

// sendAll is send of nothing else.
func (c *RouteConn) sendAll(n int, encode func(i int, seq uint32), name func(i int) string) (refused map[int]error, err error) {
	for done := 0; done < n; {
		sent, err := c.sendSome(n-done, func(i int, seq uint32) { encode(done+i, seq) }, func(i int, err error) {
			note(&refused, done+i, wrap(err, "%s", name(done+i)))
		})
		if err != nil {
			return refused, fmt.Errorf("send %d changes: %w", n, err)
		}
		done += sent
	}
	return refused, nil
}

// sendSome sends as many requests as fit, of most there are, and returns their number. Only the last asks for an acknowledgement: the kernel
// works in order and answers failures unasked.
func (c *RouteConn) sendSome(most int, encode func(i int, seq uint32), refuse func(i int, err error)) (int, error) {
	first, n := c.seq+1, 0
	c.out.buf = c.out.buf[:0]
	for n < most && len(c.out.buf) < changeBatch {
		encode(n, first+uint32(n))
		n++
	}
	c.out.setFlag(unix.NLM_F_ACK)
	c.seq += uint32(n)
	return n, c.s.exchange(c.out.buf, func(m message) (bool, error) {
		i := int(m.seq - first)
		if m.kind != unix.NLMSG_ERROR || i < 0 || i >= n {
			return false, nil // a late reply to an exchange that broke off
		}
		if err := m.reply(); err != nil {
			refuse(i, err)
		}
		return i == n-1, nil
	})
}

// List returns the routes of the main table, both families, that carry the protocol; 0 means all.
func (c *RouteConn) List(protocol uint8) ([]Route, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var routes []Route
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		var err error
		if routes, err = c.dumpAll(routes, family, protocol); err != nil {
			return nil, fmt.Errorf("list routes of protocol %d: %w", protocol, err)
		}
	}
	return routes, nil
}

// dumpAll repeats a dump until nobody changed the table meanwhile.
func (c *RouteConn) dumpAll(routes []Route, family, protocol uint8) ([]Route, error) {
	before := len(routes)
	for range dumpTries {
		out, interrupted, err := c.dump(routes[:before], family, protocol)
		if err != nil || !interrupted {
			return out, err
		}
	}
	return nil, fmt.Errorf("the table changed during each of %d reads", dumpTries)
}

func (c *RouteConn) dump(routes []Route, family, protocol uint8) (_ []Route, interrupted bool, err error) {
	c.seq++
	c.out.buf = c.out.buf[:0]
	body := [unix.SizeofRtMsg]byte{0: family, 4: unix.RT_TABLE_MAIN, 5: protocol}
	c.out.begin(unix.RTM_GETROUTE, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.seq, body[:])
	c.out.end()
	err = c.s.exchange(c.out.buf, func(m message) (bool, error) {
		if m.seq != c.seq {
			return false, nil
		}
		interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
		if m.kind != unix.RTM_NEWROUTE {
			return true, m.reply()
		}
		r, ok, err := decodeRoute(m.body)
		if ok && !r.cloned && r.table == unix.RT_TABLE_MAIN && (protocol == 0 || r.Protocol == protocol) {
			routes = append(routes, r.Route)
		}
		return false, err
	})
	return routes, interrupted, err
}
