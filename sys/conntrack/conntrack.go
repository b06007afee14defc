// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package conntrack reads and changes the kernel's table of connections (ctnetlink): Open a Conn, then List, SetMark or Delete flows.
//
// conntracktest has its twin without a kernel.
package conntrack

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/nfnetlink"
)

// Tuple is a connection seen in one direction.
type Tuple struct {
	Src, Dst         netip.Addr
	Protocol         uint8  // IP protocol number (IANA)
	SrcPort, DstPort uint16 // of protocols that have ports
	// ICMPType, ICMPCode and ICMPID are those of the packet that opened the flow.
	ICMPType, ICMPCode uint8
	ICMPID             uint16
}

// Flow is one connection.
type Flow struct {
	// Orig is the connection as its first packet came in, before any address translation. Reply is what answers look like when they come
	// in: its source is the end that the first packet reached.
	Orig, Reply Tuple
	// Master is the Orig of the connection that this one was expected by (RELATED), the zero value for others.
	Master Tuple
	Zone   uint16
	Mark   uint32
	// Midway: the first packet that was seen did not open the TCP connection, so that Orig may be its direction or the opposite one.
	Midway bool
	// ID tells a connection from a later one with the same addresses and ports.
	ID uint32
}

// Filter selects flows; zero values select all.
type Filter struct {
	IPVersion uint8      // 4, 6, or 0 for both
	From      netip.Addr // the source of Orig
	To        netip.Addr // the source of Reply
	Zone      uint16     // always compared: 0 is the zone of connections that nobody put into another
}

// Matches tells whether the filter selects a flow.
func (f Filter) Matches(flow *Flow) bool {
	return flow.Zone == f.Zone &&
		(f.IPVersion == 0 || f.IPVersion == 4 == flow.Orig.Src.Is4()) &&
		(!f.From.IsValid() || f.From == flow.Orig.Src) &&
		(!f.To.IsValid() || f.To == flow.Reply.Src)
}

// Conn is a connection to the table of one network namespace. One caller at a time. Close it after use.
type Conn struct{ nl *nfnetlink.Conn }

// Open opens the table of ns; nil means the namespace of the calling thread.
func Open(ns *netns.NS) (*Conn, error) {
	c := &Conn{}
	open := func() (err error) {
		c.nl, err = nfnetlink.Open()
		return err
	}
	enter := open
	if ns != nil {
		enter = func() error { return ns.Do(open) }
	}
	if err := enter(); err != nil {
		return nil, fmt.Errorf("connection tracking: %w", err)
	}
	return c, nil
}

// Close closes the socket.
func (c *Conn) Close() error { return c.nl.Close() }

// List hands every flow that the filter selects to yield, in no order. A flow that comes or goes meanwhile may be missing, and one may
// come twice. The kernel picks by IPv4 address since Linux 5.8; what it does not pick is picked here, at
// the price of reading all.
func (c *Conn) List(f Filter, yield func(Flow)) error {
	family, body := f.encode()
	r := nfnetlink.Request{Subsystem: unix.NFNL_SUBSYS_CTNETLINK, Message: msgGet, Dump: true, Family: family, Body: body}
	err := c.nl.Do(r, func(attrs []byte) {
		if flow := decode(attrs); f.Matches(&flow) {
			yield(flow)
		}
	})
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	return nil
}

// Count returns how many flows there are, in all zones, without reading them.
func (c *Conn) Count() (int, error) {
	count := 0
	err := c.nl.Do(nfnetlink.Request{Subsystem: unix.NFNL_SUBSYS_CTNETLINK, Message: msgStats}, func(attrs []byte) {
		count = int(nfnetlink.Uint32(nfnetlink.Attr(attrs, attrStatsEntries)))
	})
	if err != nil {
		return 0, fmt.Errorf("count connections: %w", err)
	}
	return count, nil
}

// SetMark sets the bits of a flow's mark that are in mask to those of value. A flow that is gone is fs.ErrNotExist.
func (c *Conn) SetMark(flow Flow, value, mask uint32) error {
	body := identify(&flow)
	body.Uint32(attrMark, value)
	body.Uint32(attrMarkMask, mask)
	return c.change(msgNew, "mark", &flow, body)
}

// Delete makes the kernel forget a flow: its next packet is the first of a new one, or of none. A flow that is gone is fs.ErrNotExist.
func (c *Conn) Delete(flow Flow) error {
	body := identify(&flow)
	body.Uint32(attrID, flow.ID)
	return c.change(msgDelete, "delete", &flow, body)
}

func (c *Conn) change(message uint8, what string, flow *Flow, body nfnetlink.Attrs) error {
	err := c.nl.Do(nfnetlink.Request{
		Subsystem: unix.NFNL_SUBSYS_CTNETLINK, Message: message, Family: familyOf(flow.Orig.Src), Body: body,
	}, nil)
	if errors.Is(err, unix.ENOENT) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("%s connection %s: %w", what, flow.Orig, err)
	}
	return nil
}

// String renders a tuple, "tcp 10.0.0.1:40000 -> 10.0.0.2:80".
func (t Tuple) String() string {
	switch t.Protocol {
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return fmt.Sprintf("icmp %s -> %s type %d code %d id %d", t.Src, t.Dst, t.ICMPType, t.ICMPCode, t.ICMPID)
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, unix.IPPROTO_UDPLITE, unix.IPPROTO_DCCP:
		return fmt.Sprintf("%s %s -> %s", protocolNames[t.Protocol], netip.AddrPortFrom(t.Src, t.SrcPort), netip.AddrPortFrom(t.Dst, t.DstPort))
	}
	return fmt.Sprintf("protocol %d %s -> %s", t.Protocol, t.Src, t.Dst)
}

var protocolNames = map[uint8]string{
	unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp", unix.IPPROTO_SCTP: "sctp", unix.IPPROTO_UDPLITE: "udplite", unix.IPPROTO_DCCP: "dccp",
}
