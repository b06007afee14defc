// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/own"
)

// queryBatch bounds the queries of one send, because each reply takes up to 8 KiB of receive buffer.
const queryBatch = 256

// Found is the answer to one lookup. Err says why there is no route, as the kernel would tell a sender: Is unix.ENETUNREACH and alike.
type Found struct {
	Route Route
	Err   error
}

// Lookup asks for each address which route the kernel would take below the encryption between hosts (own.UnderlayMark), rules and all tables
// considered. Answers are in order of addrs.
func (c *RouteConn) Lookup(addrs []netip.Addr) ([]Found, error) {
	found := make([]Found, len(addrs))
	err := c.query(len(addrs), func(i int, seq uint32) {
		body := [unix.SizeofRtMsg]byte{0: family(addrs[i]), 1: uint8(addrs[i].BitLen())}
		native.PutUint32(body[8:], unix.RTM_F_FIB_MATCH)
		c.out.begin(unix.RTM_GETROUTE, unix.NLM_F_REQUEST, seq, body[:])
		c.out.attrAddr(unix.RTA_DST, addrs[i])
		c.out.attrUint32(unix.RTA_MARK, own.UnderlayMark)
		c.out.end()
	}, func(i int, m message) error {
		if m.kind == unix.NLMSG_ERROR {
			found[i].Err = wrapLookup(m.reply(), addrs[i])
			return nil
		}
		r, _, err := decodeRoute(m.body)
		found[i].Route = r.Route
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up %d routes: %w", len(addrs), err)
	}
	return found, nil
}

func wrapLookup(err error, addr netip.Addr) error {
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return fmt.Errorf("no route to %s: %w", addr, err)
	}
	return fmt.Errorf("route to %s: %w", addr, err)
}

// LinkStates returns the state of the named links; those that do not exist are left out.
func (c *RouteConn) LinkStates(names []string) (map[string]LinkState, error) {
	states := make(map[string]LinkState, len(names))
	err := c.query(len(names), func(i int, seq uint32) {
		const skipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h
		c.out.begin(unix.RTM_GETLINK, unix.NLM_F_REQUEST, seq, make([]byte, unix.SizeofIfInfomsg))
		c.out.attr(unix.IFLA_IFNAME, append([]byte(names[i]), 0)...)
		c.out.attrUint32(unix.IFLA_EXT_MASK, skipStats)
		c.out.end()
	}, func(i int, m message) error {
		if m.kind == unix.NLMSG_ERROR {
			err := m.reply()
			if errors.Is(err, unix.ENODEV) {
				return nil
			}
			return wrap(err, "link %s", names[i])
		}
		state, err := decodeLink(m.body)
		states[names[i]] = state
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("state of %d links: %w", len(names), err)
	}
	return states, nil
}

// query sends n requests in batches and hands each its one reply.
func (c *RouteConn) query(n int, ask func(i int, seq uint32), answer func(i int, m message) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for start := 0; start < n; start += queryBatch {
		end, first := min(start+queryBatch, n), c.seq+1
		c.out.buf = c.out.buf[:0]
		for i := start; i < end; i++ {
			c.seq++
			ask(i, c.seq)
		}
		missing := end - start
		err := c.s.exchange(c.out.buf, func(m message) (bool, error) {
			i := start + int(m.seq-first)
			if i < start || i >= end {
				return false, nil
			}
			missing--
			return missing == 0, answer(i, m)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
