// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Rule sends packets that carry none of the bits of Mark to a table of routes, and what that has no route for to the rules behind it: "not fwmark
// MARK/MARK lookup TABLE" of ip-rule(8).
type Rule struct {
	IPv6     bool
	Priority uint32 // the smaller one goes first
	Mark     uint32
	Table    uint32
	Protocol uint8 // who made it, see sys/own
}

// RuleDelete removes a rule.
type RuleDelete Rule

// TableRoute is a route to one address by a link, in a table of its own. A route for the same address there is replaced.
type TableRoute struct {
	Table    uint32
	Dst, Src netip.Addr // Src is the address that packets of this host are sent from
	Link     int
	Protocol uint8
}

// TableRouteDelete removes a route.
type TableRouteDelete TableRoute

// Attributes of rules, linux/fib_rules.h.
const (
	fraPriority = 6
	fraFwmark   = 10
	fraTable    = 15
	fraFwmask   = 16
	fraProtocol = 21

	ruleToTable = 1 // FR_ACT_TO_TBL
	ruleInvert  = 2 // FIB_RULE_INVERT
)

// String renders the request for messages.
func (r Rule) String() string {
	return fmt.Sprintf("%d: IPv%d, not fwmark %#x/%#[3]x lookup %d proto %d", r.Priority, 4+2*number(r.IPv6), r.Mark, r.Table, r.Protocol)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r Rule) encode(b *builder, seq uint32) {
	r.append(b, unix.RTM_NEWRULE, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL, seq)
}

// String renders the request for messages.
func (r RuleDelete) String() string { return "delete rule " + Rule(r).String() }

func (r RuleDelete) encode(b *builder, seq uint32) {
	Rule(r).append(b, unix.RTM_DELRULE, unix.NLM_F_REQUEST, seq)
}

func (r Rule) append(b *builder, kind, flags uint16, seq uint32) {
	b.begin(kind, flags, seq, r.header())
	b.attrUint32(fraPriority, r.Priority)
	b.attrUint32(fraFwmark, r.Mark)
	b.attrUint32(fraFwmask, r.Mark)
	b.attrUint32(fraTable, r.Table)
	b.attr(fraProtocol, r.Protocol)
	b.end()
}

// header is a struct fib_rule_hdr.
func (r Rule) header() []byte {
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[7], body[8] = []uint8{unix.AF_INET, unix.AF_INET6}[number(r.IPv6)], ruleToTable, ruleInvert
	return body
}

// decodeRule decodes the body of RTM_NEWRULE and RTM_DELRULE. ok is false for families other than IPv4 and IPv6.
func decodeRule(body []byte) (r Rule, ok bool, err error) {
	if len(body) < unix.SizeofRtMsg {
		return Rule{}, false, errTruncated
	}
	if body[0] != unix.AF_INET && body[0] != unix.AF_INET6 {
		return Rule{}, false, nil
	}
	r.IPv6 = body[0] == unix.AF_INET6
	err = attributes(body[unix.SizeofRtMsg:], func(kind uint16, value []byte) (err error) {
		switch kind {
		case fraPriority:
			r.Priority, err = uint32Of(value)
		case fraFwmark:
			r.Mark, err = uint32Of(value)
		case fraTable:
			r.Table, err = uint32Of(value)
		case fraProtocol:
			if len(value) < 1 {
				return errTruncated
			}
			r.Protocol = value[0]
		}
		return err
	})
	return r, err == nil, err
}

// Rules lists the rules of both families that carry the protocol.
func (c *RouteConn) Rules(protocol uint8) (rules []Rule, err error) {
	err = c.list(unix.RTM_GETRULE, func(m message) error {
		r, ok, err := decodeRule(m.body)
		if ok && r.Protocol == protocol {
			rules = append(rules, r)
		}
		return err
	}, func() { rules = nil })
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	return rules, nil
}

// Table lists the routes of a table, both families. What is not a TableRoute has no Link, and no Dst unless it is for one address.
func (c *RouteConn) Table(table uint32) (routes []TableRoute, err error) {
	err = c.list(unix.RTM_GETROUTE, func(m message) error {
		r, ok, err := decodeRoute(m.body)
		if ok && !r.cloned && r.table == table {
			routes = append(routes, r.inTable())
		}
		return err
	}, func() { routes = nil })
	if err != nil {
		return nil, fmt.Errorf("list routes of table %d: %w", table, err)
	}
	return routes, nil
}

func (r rawRoute) inTable() TableRoute {
	out := TableRoute{Table: r.table, Src: r.src, Protocol: r.Protocol}
	if r.Dst.IsSingleIP() {
		out.Dst = r.Dst.Addr()
	}
	if len(r.NextHops) == 1 && !r.NextHops[0].Gateway.IsValid() {
		out.Link = r.NextHops[0].Link
	}
	return out
}

// list dumps both families until nobody changes anything meanwhile; again is told before each repetition.
func (c *RouteConn) list(kind uint16, take func(message) error, again func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range dumpTries {
		again()
		interrupted := false
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			c.seq++
			c.out.buf = c.out.buf[:0]
			c.out.begin(kind, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.seq, append([]byte{family}, make([]byte, unix.SizeofRtMsg-1)...))
			c.out.end()
			err := c.s.exchange(c.out.buf, func(m message) (bool, error) {
				if m.seq != c.seq {
					return false, nil
				}
				interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
				if m.kind == unix.NLMSG_DONE || m.kind == unix.NLMSG_ERROR {
					return true, m.reply()
				}
				return false, take(m)
			})
			if err != nil {
				return err
			}
		}
		if !interrupted {
			return nil
		}
	}
	return fmt.Errorf("something changed during each of %d reads", dumpTries)
}

// String renders the request for messages.
func (r TableRoute) String() string {
	return fmt.Sprintf("set route %s link %d src %s proto %d in table %d", r.Dst, r.Link, r.Src, r.Protocol, r.Table)
}

func (r TableRoute) encode(b *builder, seq uint32) {
	r.append(b, unix.RTM_NEWROUTE, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, seq)
}

// String renders the request for messages.
func (r TableRouteDelete) String() string {
	return fmt.Sprintf("delete route %s link %d from table %d", r.Dst, r.Link, r.Table)
}

func (r TableRouteDelete) encode(b *builder, seq uint32) {
	TableRoute(r).append(b, unix.RTM_DELROUTE, unix.NLM_F_REQUEST, seq)
}

func (r TableRoute) append(b *builder, kind, flags uint16, seq uint32) {
	b.begin(kind, flags, seq, []byte{family(r.Dst), uint8(r.Dst.BitLen()), 0, 0, 0, r.Protocol, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0})
	b.attrUint32(unix.RTA_TABLE, r.Table)
	b.attrAddr(unix.RTA_DST, r.Dst)
	if r.Src.IsValid() {
		b.attrAddr(unix.RTA_PREFSRC, r.Src)
	}
	b.attrUint32(unix.RTA_OIF, uint32(r.Link))
	b.end()
}
