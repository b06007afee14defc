// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Request is one change in a batch: a [RouteChange], [LinkUp], [AddrChange], [Neighbour], [NeighbourDelete], [FDBEntry], [FDBDelete], [Rule],
// [RuleDelete], [TableRoute] or [TableRouteDelete].
type Request interface {
	fmt.Stringer
	// encode appends the request as one message without asking for an acknowledgement.
	encode(b *builder, seq uint32)
}

// LinkUp sets the link with this index up.
type LinkUp int

// AddrChange adds an address or replaces what the link has under the same address.
type AddrChange Addr

// Neighbour is an entry of the neighbour table. An entry for the same address is replaced.
type Neighbour struct {
	Link int
	Addr netip.Addr
	MAC  net.HardwareAddr
	// Verify makes the entry like one that the kernel has just learned itself: used at once, asked about after some time
	// (NUD_REACHABLE of rtnetlink(7)). Without it the entry is permanent: never asked about, never timed out.
	Verify bool
}

// Batch sends requests of any kind, in order, many in one system call. The error joins those that the kernel refused; the others are in force.
func (c *RouteConn) Batch(requests ...Request) error {
	refused, err := c.Try(requests)
	errs := make([]error, 0, len(refused)+1)
	for _, i := range slices.Sorted(maps.Keys(refused)) {
		errs = append(errs, refused[i])
	}
	return errors.Join(append(errs, err)...)
}

// Try is a Batch that tells, by index into requests, which of them the kernel refused. A non-nil error means that the connection failed and
// the outcome is unknown.
func (c *RouteConn) Try(requests []Request) (refused map[int]error, err error) {
	return c.send(len(requests), func(i int, seq uint32) { requests[i].encode(&c.out, seq) }, func(i int) string { return requests[i].String() })
}

func (c RouteChange) encode(b *builder, seq uint32) { b.appendChange(c, seq) }

// String renders the request for messages.
func (l LinkUp) String() string { return fmt.Sprintf("set link with index %d up", int(l)) }

func (l LinkUp) encode(b *builder, seq uint32) {
	body := [unix.SizeofIfInfomsg]byte{}
	native.PutUint32(body[4:], uint32(l))
	native.PutUint32(body[8:], unix.IFF_UP)
	native.PutUint32(body[12:], unix.IFF_UP) // the mask of flags to change
	b.begin(unix.RTM_NEWLINK, unix.NLM_F_REQUEST, seq, body[:])
	b.end()
}

// String renders the request for messages.
func (a AddrChange) String() string {
	return fmt.Sprintf("add address %s to link with index %d", a.Prefix, a.Link)
}

func (a AddrChange) encode(b *builder, seq uint32) {
	addr := a.Prefix.Addr()
	body := [unix.SizeofIfAddrmsg]byte{0: family(addr), 1: uint8(a.Prefix.Bits()), 3: a.Scope}
	if a.NoDAD && addr.Is6() {
		body[2] = unix.IFA_F_NODAD
	}
	native.PutUint32(body[4:], uint32(a.Link))
	b.begin(unix.RTM_NEWADDR, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, seq, body[:])
	b.attrAddr(unix.IFA_LOCAL, addr)
	b.attrAddr(unix.IFA_ADDRESS, addr)
	b.end()
}

// String renders the request for messages.
func (n Neighbour) String() string {
	return fmt.Sprintf("set neighbour %s to %s on link with index %d", n.Addr, n.MAC, n.Link)
}

func (n Neighbour) state() uint16 {
	if n.Verify {
		return unix.NUD_REACHABLE
	}
	return unix.NUD_PERMANENT
}

func (n Neighbour) encode(b *builder, seq uint32) {
	body := [unix.SizeofNdMsg]byte{0: family(n.Addr)}
	native.PutUint32(body[4:], uint32(n.Link))
	native.PutUint16(body[8:], n.state())
	b.begin(unix.RTM_NEWNEIGH, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, seq, body[:])
	b.attrAddr(unix.NDA_DST, n.Addr)
	b.attr(unix.NDA_LLADDR, n.MAC...)
	b.end()
}
