// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	sysprobe "github.com/weftnet/weft/sys/probe"
)

// exchangeTimeout bounds how long the server end of a TCP probe waits for its data.
const exchangeTimeout = 5 * time.Second

// post is all sockets of one endpoint in one family.
type post struct {
	endpoint Endpoint
	addr     netip.Addr
	icmp     net.PacketConn
	sctp     net.PacketConn
	udp      net.PacketConn // sends and gets the echoes
	servers  []io.Closer
	sink     sink
}

// sink takes what receivers saw.
type sink interface {
	// seen: the packet of t arrived at its destination address by the service.
	seen(t token, at netip.Addr, svc Service)
	// answered: the answer to t arrived at its source address.
	answered(t token, at netip.Addr)
}

// openPost opens the sockets inside the endpoint's namespace.
func openPost(e Endpoint, addr netip.Addr, services []Service, to sink, wg *sync.WaitGroup) (*post, error) {
	p := &post{endpoint: e, addr: addr, sink: to}
	var loops []func()
	err := e.NS.Do(func() (err error) {
		loops, err = p.open(services)
		return err
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("probe sockets of %s: %w", e.Name, err)
	}
	for _, loop := range loops {
		wg.Go(loop)
	}
	return p, nil
}

// open makes the sockets and returns the receive loops that are to run.
func (p *post) open(services []Service) ([]func(), error) {
	var err error
	if p.icmp, err = net.ListenPacket(rawNetwork(p.addr, 1, 58), p.addr.String()); err != nil {
		return nil, err
	}
	if p.sctp, err = net.ListenPacket(rawNetwork(p.addr, protoSCTP, protoSCTP), p.addr.String()); err != nil {
		return nil, err
	}
	if p.udp, err = net.ListenPacket("udp", p.at(0)); err != nil {
		return nil, err
	}
	loops := []func(){
		receive(p.icmp, p.gotICMP), receive(p.sctp, p.gotSCTP),
		receive(p.udp, func(b []byte, _ net.Addr) { p.gotEcho(b) }),
	}
	for _, svc := range services {
		loop, err := p.serve(svc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", svc, err)
		}
		if loop != nil {
			loops = append(loops, loop)
		}
	}
	return loops, nil
}

// protoSCTP is SCTP's IP protocol number.
const protoSCTP = 132

// rawNetwork names a raw socket's network for package net; the protocol may differ by family.
func rawNetwork(at netip.Addr, v4, v6 int) string {
	if at.Is4() {
		return fmt.Sprintf("ip4:%d", v4)
	}
	return fmt.Sprintf("ip6:%d", v6)
}

func (p *post) at(port uint16) string { return netip.AddrPortFrom(p.addr, port).String() }

// serve opens the server of a service; raw protocols need none.
func (p *post) serve(svc Service) (func(), error) {
	switch svc.Protocol {
	case TCP:
		ln, err := net.Listen("tcp", p.at(svc.Port))
		if err != nil {
			return nil, err
		}
		p.servers = append(p.servers, ln)
		return func() { p.accept(ln, svc) }, nil
	case UDP:
		conn, err := net.ListenPacket("udp", p.at(svc.Port))
		if err != nil {
			return nil, err
		}
		p.servers = append(p.servers, conn)
		return receive(conn, func(b []byte, from net.Addr) {
			if t, ok := parseToken(b); ok {
				p.sink.seen(t, p.addr, svc)
				_, _ = conn.WriteTo(b, from) // a lost echo shows as unanswered
			}
		}), nil
	default:
		return nil, nil
	}
}

// receive returns a loop that hands packets to handle until the socket is closed.
func receive(conn net.PacketConn, handle func(b []byte, from net.Addr)) func() {
	return func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				handle(buf[:n], from)
			}
		}
	}
}

func (p *post) gotICMP(b []byte, _ net.Addr) {
	t, reply, ok := parseEcho(b)
	switch {
	case ok && reply:
		p.sink.answered(t, p.addr)
	case ok: // the kernel sends the reply
		p.sink.seen(t, p.addr, Service{Protocol: ICMP})
	}
}

func (p *post) gotSCTP(b []byte, from net.Addr) {
	packet, ok := parseSCTP(b)
	switch {
	case ok && packet.chunk == sctpInitAck:
		p.sink.answered(packet.token, p.addr)
	case ok:
		p.sink.seen(packet.token, p.addr, Service{SCTP, packet.dstPort})
		_, _ = p.sctp.WriteTo(packet.answer().encode(), from) // a lost answer shows as unanswered
	}
}

func (p *post) gotEcho(b []byte) {
	if t, ok := parseToken(b); ok {
		p.sink.answered(t, p.addr)
	}
}

func (p *post) accept(ln net.Listener, svc Service) {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go p.exchange(conn, svc)
		}
	}
}

// exchange is the server's end of a TCP probe: it echoes the token and waits for the client to close.
func (p *post) exchange(conn net.Conn, svc Service) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(exchangeTimeout))
	buf := make([]byte, tokenLen)
	if _, err := io.ReadFull(conn, buf); err != nil {
		return
	}
	if t, ok := parseToken(buf); ok {
		p.sink.seen(t, p.addr, svc)
		_, _ = conn.Write(buf) // a lost echo shows as unanswered
		_, _ = conn.Read(buf)
	}
}

// send sends one packet of a flow that is no TCP flow.
func (p *post) send(f Flow, t token) error {
	var conn net.PacketConn
	var msg []byte
	var to net.Addr = &net.IPAddr{IP: f.DstAddr.AsSlice()}
	switch f.Service.Protocol {
	case ICMP:
		conn, msg = p.icmp, echoRequest(f.DstAddr, t)
	case SCTP:
		conn, msg = p.sctp, sctpPacket{srcPort: sctpSource(t), dstPort: f.Service.Port, chunk: sctpInit, initiate: t.index + 1, token: t}.encode()
	case UDP:
		conn, msg = p.udp, t.append(nil)
		to = net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.DstAddr, f.Service.Port))
	}
	_, err := conn.WriteTo(msg, to)
	return err
}

// sctpSource draws the source port from the run, so that connection tracking takes each run for a new association.
func sctpSource(t token) uint16 { return 49152 + uint16(t.run%16384) }

// connect starts the TCP connections of flows; a nil entry comes with the reason in errs.
func (p *post) connect(flows []Flow) (conns []net.Conn, errs []error) {
	conns, errs = make([]net.Conn, len(flows)), make([]error, len(flows))
	err := p.endpoint.NS.Do(func() error {
		for i, f := range flows {
			conns[i], errs[i] = sysprobe.Connect(p.addr, netip.AddrPortFrom(f.DstAddr, f.Service.Port))
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return conns, errs
}

func (p *post) close() {
	for _, s := range p.servers {
		_ = s.Close()
	}
	for _, s := range []net.PacketConn{p.icmp, p.sctp, p.udp} {
		if s != nil {
			_ = s.Close()
		}
	}
}
