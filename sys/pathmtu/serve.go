// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package pathmtu measures how large IP packets may be on the way to another host: Listen on every host, Measure from any.
//
// It asks with UDP packets that nobody on the way may cut up, and each one that arrives is answered by a small one. So it finds the truth on
// paths that drop large packets without a word (RFC 8899 for the idea); where ICMP tells which hop is narrow, it says so too.
package pathmtu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Port is the UDP port on which hosts answer.
const Port = 4794

// The bytes of a question, which is padded to the size in question, and of its answer: magic and token.
const (
	magic     = 0x77656674 // "weft"
	tokenSize = 12
)

// Server answers questions.
type Server struct {
	conn *net.UDPConn
	done chan struct{}
}

// Listen starts answering at an address of this host, in the network namespace of the calling thread. allow says who is answered.
func Listen(addr netip.Addr, allow func(netip.Addr) bool) (*Server, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, Port)))
	if err != nil {
		return nil, fmt.Errorf("answer path MTU questions at %s: %w", addr, err)
	}
	s := &Server{conn, make(chan struct{})}
	go s.serve(allow)
	return s, nil
}

// Close ends the answering.
func (s *Server) Close() error {
	err := s.conn.Close()
	<-s.done
	return err
}

// serve answers with what came first, never with more than was asked with: that would be of use to who sends under false addresses.
func (s *Server) serve(allow func(netip.Addr) bool) {
	defer close(s.done)
	buf := make([]byte, tokenSize)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // an ICMP error about an earlier answer
			continue
		case n == tokenSize && isOurs(buf) && allow(from.Addr().Unmap()):
			_, _ = s.conn.WriteToUDPAddrPort(buf, from) // who gets no answer asks again
		}
	}
}

func isOurs(b []byte) bool { return len(b) >= tokenSize && binary.BigEndian.Uint32(b) == magic }
