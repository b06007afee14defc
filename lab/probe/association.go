// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
)

// SCTPConn is the client's end of an SCTP association that goes no further than INIT and INIT-ACK: the kernel need not know SCTP. Whatever is written sends
// the INIT, and what is read is five characters for each INIT-ACK of GreetSCTP, the number of the port that has answered.
type SCTPConn struct {
	net.PacketConn // raw
	from, to       netip.AddrPort
	id             uint32
}

// DialSCTP opens a raw socket in the network namespace of the calling thread. It sends nothing yet. The association has a source port that is drawn.
func DialSCTP(from netip.Addr, to netip.AddrPort) (*SCTPConn, error) {
	raw, err := net.ListenPacket(rawNetwork(from, protoSCTP, protoSCTP), from.String())
	if err != nil {
		return nil, fmt.Errorf("SCTP from %s: %w", from, err)
	}
	id := rand.Uint32()
	return &SCTPConn{raw, netip.AddrPortFrom(from, sctpSource(token{run: id})), to, id}, nil
}

// LocalAddr implements [net.Conn].
func (c *SCTPConn) LocalAddr() net.Addr { return sctpAddr{c.from} }

// RemoteAddr implements [net.Conn].
func (c *SCTPConn) RemoteAddr() net.Addr { return sctpAddr{c.to} }

// Write sends the INIT, the same one each time.
func (c *SCTPConn) Write(b []byte) (int, error) {
	p := sctpPacket{srcPort: c.from.Port(), dstPort: c.to.Port(), chunk: sctpInit, initiate: c.id | 1, token: token{run: c.id}}
	if _, err := c.WriteTo(p.encode(), &net.IPAddr{IP: c.to.Addr().AsSlice()}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read waits for an INIT-ACK from where the INIT went to, as the client sees it.
func (c *SCTPConn) Read(b []byte) (int, error) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return 0, err
		}
		p, ok := parseSCTP(buf[:n])
		there := from.String() == c.to.Addr().String() && p.srcPort == c.to.Port() && p.dstPort == c.from.Port()
		if ok && there && p.chunk == sctpInitAck && p.token.run == c.id {
			return copy(b, fmt.Sprintf("%5d", p.token.index)), nil
		}
	}
}

// sctpAddr is an end of an association.
type sctpAddr struct{ netip.AddrPort }

// Network implements [net.Addr].
func (sctpAddr) Network() string { return string(SCTP) }

// GreetSCTP answers INITs of SCTPConns to some ports of an address, in the network namespace of the calling thread, until it is closed.
func GreetSCTP(at netip.Addr, ports ...uint16) (io.Closer, error) {
	raw, err := net.ListenPacket(rawNetwork(at, protoSCTP, protoSCTP), at.String())
	if err != nil {
		return nil, fmt.Errorf("SCTP at %s: %w", at, err)
	}
	go receive(raw, func(b []byte, from net.Addr) {
		p, ok := parseSCTP(b)
		if !ok || p.chunk != sctpInit || !slices.Contains(ports, p.dstPort) {
			return
		}
		p.token.index = uint32(p.dstPort)
		_, _ = raw.WriteTo(p.answer().encode(), from) // a lost answer shows as none
	})()
	return raw, nil
}
