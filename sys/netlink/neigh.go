// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// FDBEntry tells a VXLAN device to which host it sends the frames for a MAC address. An entry for the same MAC address is replaced.
type FDBEntry struct {
	Link   int
	MAC    net.HardwareAddr
	Remote netip.Addr
}

// NeighbourDelete removes the entry of an address from the neighbour table of a link.
type NeighbourDelete struct {
	Link int
	Addr netip.Addr
}

// FDBDelete removes an entry.
type FDBDelete FDBEntry

// String renders the request for messages.
func (e FDBEntry) String() string {
	return fmt.Sprintf("set forwarding entry %s to %s on link with index %d", e.MAC, e.Remote, e.Link)
}

func (e FDBEntry) encode(b *builder, seq uint32) {
	b.begin(unix.RTM_NEWNEIGH, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, seq, e.body())
	e.attrs(b)
}

func (e FDBEntry) body() []byte {
	body := [unix.SizeofNdMsg]byte{0: unix.AF_BRIDGE, 10: unix.NTF_SELF}
	native.PutUint32(body[4:], uint32(e.Link))
	native.PutUint16(body[8:], unix.NUD_PERMANENT)
	return body[:]
}

func (e FDBEntry) attrs(b *builder) {
	b.attr(unix.NDA_LLADDR, e.MAC...)
	b.attrAddr(unix.NDA_DST, e.Remote)
	b.end()
}

// String renders the request for messages.
func (d FDBDelete) String() string {
	return fmt.Sprintf("delete forwarding entry %s to %s on link with index %d", d.MAC, d.Remote, d.Link)
}

func (d FDBDelete) encode(b *builder, seq uint32) {
	b.begin(unix.RTM_DELNEIGH, unix.NLM_F_REQUEST, seq, FDBEntry(d).body())
	FDBEntry(d).attrs(b)
}

// String renders the request for messages.
func (d NeighbourDelete) String() string {
	return fmt.Sprintf("delete neighbour %s on link with index %d", d.Addr, d.Link)
}

func (d NeighbourDelete) encode(b *builder, seq uint32) {
	body := [unix.SizeofNdMsg]byte{0: family(d.Addr)}
	native.PutUint32(body[4:], uint32(d.Link))
	b.begin(unix.RTM_DELNEIGH, unix.NLM_F_REQUEST, seq, body[:])
	b.attrAddr(unix.NDA_DST, d.Addr)
	b.end()
}

// Neighbours returns the permanent entries of a link's neighbour tables, both families.
func (c *RouteConn) Neighbours(link int) ([]Neighbour, error) {
	var out []Neighbour
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		entries, err := c.dumpNeighbours(family, link)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.state&unix.NUD_PERMANENT != 0 && e.dst.IsValid() && len(e.mac) > 0 {
				out = append(out, Neighbour{Link: link, Addr: e.dst, MAC: e.mac})
			}
		}
	}
	return out, nil
}

// FDB returns the forwarding entries of a VXLAN device that name a remote host.
func (c *RouteConn) FDB(link int) ([]FDBEntry, error) {
	entries, err := c.dumpNeighbours(unix.AF_BRIDGE, link)
	var out []FDBEntry
	for _, e := range entries {
		if e.dst.IsValid() {
			out = append(out, FDBEntry{Link: link, MAC: e.mac, Remote: e.dst})
		}
	}
	return out, err
}

// rawNeighbour is one entry of a neighbour table or forwarding database.
type rawNeighbour struct {
	family uint8
	link   int
	state  uint16
	dst    netip.Addr
	mac    net.HardwareAddr
}

func (c *RouteConn) dumpNeighbours(family uint8, link int) ([]rawNeighbour, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []rawNeighbour
	for range dumpTries {
		interrupted := false
		out = out[:0]
		c.seq++
		c.out.buf = c.out.buf[:0]
		body := [unix.SizeofNdMsg]byte{0: family}
		c.out.begin(unix.RTM_GETNEIGH, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.seq, body[:])
		c.out.end()
		err := c.s.exchange(c.out.buf, func(m message) (bool, error) {
			if m.seq != c.seq {
				return false, nil
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			if m.kind != unix.RTM_NEWNEIGH {
				return true, m.reply()
			}
			n, err := decodeNeighbour(m.body)
			if n.link == link && n.family == family {
				out = append(out, n)
			}
			return false, err
		})
		if err != nil {
			return nil, fmt.Errorf("list neighbours of link with index %d: %w", link, err)
		}
		if !interrupted {
			return out, nil
		}
	}
	return nil, fmt.Errorf("list neighbours of link with index %d: they changed during each of %d reads", link, dumpTries)
}

func decodeNeighbour(body []byte) (n rawNeighbour, err error) {
	if len(body) < unix.SizeofNdMsg {
		return n, errTruncated
	}
	n = rawNeighbour{family: body[0], link: int(native.Uint32(body[4:])), state: native.Uint16(body[8:])}
	err = attributes(body[unix.SizeofNdMsg:], func(kind uint16, value []byte) (err error) {
		switch kind {
		case unix.NDA_DST:
			n.dst, err = addrOf(value)
		case unix.NDA_LLADDR:
			n.mac = append(net.HardwareAddr(nil), value...)
		}
		return err
	})
	return n, err
}
