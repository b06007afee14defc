// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Form is how a packet travels.
type Form uint8

// The forms.
const (
	Bare      Form = iota // under the addresses of its ends
	IPIP                  // in another IPv4 header: protocol 4
	VXLAN                 // in UDP to port 4789
	WireGuard             // in UDP to port 51820, or 51821 for IPv6; what is in it cannot be seen
)

// String returns "bare", "IP-in-IP", "VXLAN" or "WireGuard".
func (f Form) String() string { return [...]string{"bare", "IP-in-IP", "VXLAN", "WireGuard"}[f] }

// Packet is what an underlay can tell of a packet.
type Packet struct {
	Form     Form
	Src, Dst netip.Addr // of the outer header
	VNI      uint32     // VXLAN
	// From and To are the addresses of the packet's ends: those of the inner header, or with Bare the outer ones. WireGuard has none.
	From, To netip.Addr
}

// String returns "VXLAN 192.0.2.1 > 192.0.2.2 (VNI 4096: 10.65.0.1 > 10.65.1.1)".
func (p Packet) String() string {
	outer := fmt.Sprintf("%s %s > %s", p.Form, p.Src, p.Dst)
	switch p.Form {
	case IPIP:
		return fmt.Sprintf("%s (%s > %s)", outer, p.From, p.To)
	case VXLAN:
		return fmt.Sprintf("%s (VNI %d: %s > %s)", outer, p.VNI, p.From, p.To)
	}
	return outer
}

// Numbers of IANA: EtherTypes, protocols and ports.
const (
	etherIPv4, etherIPv6        = 0x0800, 0x86dd
	protoIPIP, protoUDP         = 4, 17
	portVXLAN                   = 4789
	portWireGuard, portWG6      = 51820, 51821
	sizeEthernet, sizeUDP       = 14, 8
	sizeVXLAN                   = 8
	minIPv4, sizeIPv6           = 20, 40
	fragmentOffset              = 0x1fff
	vxlanHasVNI            byte = 0x08
)

// Parse reads an Ethernet frame. ok is false for what is no IP packet, and for fragments behind the first.
func Parse(frame []byte) (p Packet, ok bool) {
	if len(frame) < sizeEthernet {
		return p, false
	}
	return parseIP(binary.BigEndian.Uint16(frame[12:]), frame[sizeEthernet:])
}

func parseIP(ether uint16, b []byte) (p Packet, ok bool) {
	src, dst, proto, payload, ok := header(ether, b)
	if !ok {
		return p, false
	}
	p = Packet{Src: src, Dst: dst, From: src, To: dst}
	switch proto {
	case protoIPIP:
		inner, ok := parseIP(etherIPv4, payload)
		p.Form, p.From, p.To = IPIP, inner.Src, inner.Dst
		return p, ok
	case protoUDP:
		if len(payload) >= sizeUDP {
			return p.datagram(binary.BigEndian.Uint16(payload[2:]), payload[sizeUDP:])
		}
	}
	return p, true
}

// datagram completes a packet that holds UDP to a port.
func (p Packet) datagram(port uint16, payload []byte) (Packet, bool) {
	switch port {
	case portWireGuard, portWG6:
		p.Form, p.From, p.To = WireGuard, netip.Addr{}, netip.Addr{}
	case portVXLAN:
		if len(payload) < sizeVXLAN || payload[0]&vxlanHasVNI == 0 {
			return p, false
		}
		inner, ok := Parse(payload[sizeVXLAN:])
		p.Form, p.VNI, p.From, p.To = VXLAN, binary.BigEndian.Uint32(payload[4:])>>8, inner.Src, inner.Dst
		return p, ok
	}
	return p, true
}

// header reads an IP header.
func header(ether uint16, b []byte) (src, dst netip.Addr, proto byte, payload []byte, ok bool) {
	switch {
	case ether == etherIPv4 && len(b) >= minIPv4:
		size := int(b[0]&0x0f) * 4
		first := binary.BigEndian.Uint16(b[6:])&fragmentOffset == 0
		if size < minIPv4 || size > len(b) || !first {
			return src, dst, 0, nil, false
		}
		src, dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		return src, dst, b[9], b[size:], true
	case ether == etherIPv6 && len(b) >= sizeIPv6:
		src, dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		return src, dst, b[6], b[sizeIPv6:], true // extension headers come with no packet that is looked for
	}
	return src, dst, 0, nil, false
}
