// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// RouteType is what the kernel does with a packet that a route matches, rtm_type of rtnetlink(7).
type RouteType uint8

// The types that weft writes, and RouteHost, which lookups answer for an address of this host. Others are passed through as numbers.
const (
	RouteUnicast   RouteType = unix.RTN_UNICAST
	RouteHost      RouteType = unix.RTN_LOCAL
	RouteBlackhole RouteType = unix.RTN_BLACKHOLE
)

// Route is a route of the main table. Dst, Metric and Protocol together are how weft finds its own routes again.
type Route struct {
	Dst      netip.Prefix // masked
	Type     RouteType
	Protocol uint8  // rtm_protocol, see sys/own
	Metric   uint32 // RTA_PRIORITY; the smaller one wins. IPv6 turns 0 into 1024
	// NextHops is empty for a blackhole; several share the load (ECMP). Sorted by [NextHop.Compare].
	NextHops []NextHop
	// MTU is the largest packet, in bytes, that the route takes where its links would take more (RTAX_MTU); 0: what the links take. It holds
	// for forwarded packets too.
	MTU int
}

// NextHop is one way out.
type NextHop struct {
	Gateway netip.Addr // zero: the destination is on the link itself
	Link    int        // index of the link
	// OnLink makes the kernel believe that Gateway is a neighbour on Link although no prefix of the link covers it, as in clouds that
	// hand out /32 addresses ("onlink" of ip-route(8)).
	OnLink bool
}

// Compare orders next hops by link, then gateway.
func (n NextHop) Compare(o NextHop) int {
	return cmp.Or(cmp.Compare(n.Link, o.Link), n.Gateway.Compare(o.Gateway))
}

// Equal reports whether r and o would do the same in the kernel.
func (r Route) Equal(o Route) bool {
	return r.Dst == o.Dst && r.Type == o.Type && r.Protocol == o.Protocol && r.Metric == o.Metric && r.MTU == o.MTU && slices.Equal(r.NextHops, o.NextHops)
}

// String renders the route much as ip-route(8) does, with link indexes.
func (r Route) String() string {
	var b strings.Builder
	switch r.Type {
	case RouteUnicast:
	case RouteBlackhole:
		b.WriteString("blackhole ")
	default:
		fmt.Fprintf(&b, "type %d ", r.Type)
	}
	b.WriteString(r.Dst.String())
	for _, n := range r.NextHops {
		if n.Gateway.IsValid() {
			fmt.Fprintf(&b, " via %s", n.Gateway)
		}
		fmt.Fprintf(&b, " link %d", n.Link)
		if n.OnLink {
			b.WriteString(" onlink")
		}
	}
	fmt.Fprintf(&b, " proto %d metric %d", r.Protocol, r.Metric)
	if r.MTU > 0 {
		fmt.Fprintf(&b, " mtu %d", r.MTU)
	}
	return b.String()
}

// RouteOp is a kind of change.
type RouteOp uint8

// The operations.
const (
	// RouteAdd fails with fs.ErrExist when any route, whoever made it, has the same destination and metric.
	RouteAdd RouteOp = iota
	// RouteReplace swaps the route with the same destination and metric in one step, or adds it. The kernel does not look at the
	// protocol: only use it where the present route is known to be ours.
	RouteReplace
	// RouteDelete deletes the route with the same destination, metric and protocol; with next hops given only the one that has them.
	RouteDelete
)

// RouteChange is one request of a batch.
type RouteChange struct {
	Op    RouteOp
	Route Route
}

// String renders the change for messages.
func (c RouteChange) String() string {
	return [...]string{"add route ", "replace route ", "delete route "}[c.Op] + c.Route.String()
}

// LinkState is the little about a link that routes depend on.
type LinkState struct {
	Index int
	Name  string
	Up    bool // administrative state
}
