// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// appendChange appends one route request.
func (b *builder) appendChange(c RouteChange, seq uint32) {
	kind, flags := uint16(unix.RTM_NEWROUTE), uint16(unix.NLM_F_REQUEST|unix.NLM_F_CREATE)
	switch c.Op {
	case RouteAdd:
		flags |= unix.NLM_F_EXCL
	case RouteReplace:
		flags |= unix.NLM_F_REPLACE
	case RouteDelete:
		kind, flags = unix.RTM_DELROUTE, unix.NLM_F_REQUEST
	}
	r := c.Route
	b.begin(kind, flags, seq, rtmsg(r, scopeOf(c)))
	b.attrAddr(unix.RTA_DST, r.Dst.Addr())
	b.attrUint32(unix.RTA_PRIORITY, r.Metric)
	b.routeMTU(r)
	switch {
	case len(r.NextHops) == 1:
		b.nextHop(r.NextHops[0], r.Dst.Addr())
		b.attrUint32(unix.RTA_OIF, uint32(r.NextHops[0].Link))
	case len(r.NextHops) > 1:
		b.multipath(r)
	}
	b.end()
}

func rtmsg(r Route, scope uint8) []byte {
	body := []byte{family(r.Dst.Addr()), uint8(r.Dst.Bits()), 0, 0, unix.RT_TABLE_MAIN, r.Protocol, scope, uint8(r.Type), 0, 0, 0, 0}
	if len(r.NextHops) == 1 {
		native.PutUint32(body[8:], uint32(r.NextHops[0].flags()))
	}
	return body
}

func (n NextHop) flags() uint8 {
	if n.OnLink {
		return unix.RTNH_F_ONLINK
	}
	return 0
}

// scopeOf follows ip-route(8): a destination on the link itself has scope link, everything else universe, and a delete takes any.
func scopeOf(c RouteChange) uint8 {
	switch {
	case c.Op == RouteDelete:
		return unix.RT_SCOPE_NOWHERE
	case len(c.Route.NextHops) == 1 && !c.Route.NextHops[0].Gateway.IsValid():
		return unix.RT_SCOPE_LINK
	}
	return unix.RT_SCOPE_UNIVERSE
}

// Attributes inside RTA_METRICS, linux/rtnetlink.h.
const (
	rtaxLock = 1 // a bit for each of the others that the kernel shall not learn anew
	rtaxMTU  = 2
)

// routeMTU appends the MTU. IPv6 heeds it for forwarded packets only when it is locked (ip6_dst_mtu_maybe_forward in include/net/ip6_route.h);
// IPv4 does anyway, and would take a lock as a reason to cut up its own packets.
func (b *builder) routeMTU(r Route) {
	if r.MTU == 0 {
		return
	}
	at := b.nest(unix.RTA_METRICS)
	if r.Dst.Addr().Is6() {
		b.attrUint32(rtaxLock, 1<<rtaxMTU)
	}
	b.attrUint32(rtaxMTU, uint32(r.MTU))
	b.close(at)
}

// multipath appends RTA_MULTIPATH: a list of struct rtnexthop, each with attributes of its own.
func (b *builder) multipath(r Route) {
	at := b.nest(unix.RTA_MULTIPATH)
	for _, n := range r.NextHops {
		hop := len(b.buf)
		b.buf = append(b.buf, 0, 0, n.flags(), 0)
		b.buf = native.AppendUint32(b.buf, uint32(n.Link))
		b.nextHop(n, r.Dst.Addr())
		native.PutUint16(b.buf[hop:], uint16(len(b.buf)-hop))
	}
	b.close(at)
}

// nextHop appends the gateway. One of the other family goes into RTA_VIA (RFC 5549: IPv4 reached through IPv6).
func (b *builder) nextHop(n NextHop, dst netip.Addr) {
	switch {
	case !n.Gateway.IsValid():
	case n.Gateway.Is4() == dst.Is4():
		b.attrAddr(unix.RTA_GATEWAY, n.Gateway)
	default:
		raw := native.AppendUint16(nil, uint16(family(n.Gateway)))
		b.attr(unix.RTA_VIA, append(raw, n.Gateway.AsSlice()...)...)
	}
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
