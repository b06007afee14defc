// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"github.com/weftnet/weft/policy/eval"
)

// IP protocol numbers (IANA).
const (
	protoICMP    = 1
	protoIPIP    = 4
	protoTCP     = 6
	protoUDP     = 17
	protoICMPv6  = 58
	protoOther   = 99 // any private encryption scheme
	protoSCTP    = 132
	protoUDPLite = 136
)

var protocolNames = map[uint64]string{
	protoICMP: "ICMP", protoTCP: "TCP", protoUDP: "UDP", protoICMPv6: "ICMPv6", protoSCTP: "SCTP", protoUDPLite: "UDPLite",
}

// segment builds the first packet of a flow above IP: a SYN, a datagram, an echo request, an INIT. The token makes it unlike any other.
func segment(p eval.Packet, token uint32) []byte {
	var b []byte
	switch p.Protocol {
	case protoTCP:
		b = tcp(p, tcpSyn, token, 0)
	case protoUDP:
		return datagram(p, 12, token)
	case protoUDPLite:
		return datagram(p, 8, token) // the checksum covers the header alone
	case protoICMP, protoICMPv6:
		b = []byte{p.ICMPType, p.ICMPCode, 0, 0}
		b = binary.BigEndian.AppendUint32(b, token)
		b = append(b, make([]byte, 12)...) // long enough for a timestamp request
		return checksummed(p, b, 2)
	case protoSCTP:
		return sctpInit(p, token)
	default:
		b = binary.BigEndian.AppendUint32(nil, token)
	}
	return b
}

// datagram is UDP, or UDP-Lite (RFC 3828), whose length field is that of what the checksum covers.
func datagram(p eval.Packet, covered uint16, token uint32) []byte {
	b := binary.BigEndian.AppendUint16(ports(p), covered)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, token)
	covering := append(pseudoHeader(p, len(b)), b[:covered]...)
	binary.BigEndian.PutUint16(b[6:], ^sum(covering))
	return b
}

// Flags of TCP (RFC 9293, section 3.1).
const (
	tcpFin = 0x01
	tcpSyn = 0x02
	tcpAck = 0x10
)

func ports(p eval.Packet) []byte {
	b := binary.BigEndian.AppendUint16(nil, p.SrcPort)
	return binary.BigEndian.AppendUint16(b, p.DstPort)
}

// tcp builds a segment without data.
func tcp(p eval.Packet, flags byte, seq, ack uint32) []byte {
	b := binary.BigEndian.AppendUint32(ports(p), seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	return checksummed(p, b, 16)
}

// sctpInit is the common header with an INIT chunk (RFC 9260, sections 3.1 and 3.3.2).
func sctpInit(p eval.Packet, token uint32) []byte {
	b := append(ports(p), make([]byte, 8)...) // verification tag 0, checksum
	b = append(b, 1, 0, 0, 20)
	b = binary.BigEndian.AppendUint32(b, token|1)
	b = append(b, 0, 0, 0xff, 0xff, 0, 1, 0, 1)
	b = binary.BigEndian.AppendUint32(b, token)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// checksummed puts the internet checksum at an offset: over the pseudo header too, but for ICMP of IPv4.
func checksummed(p eval.Packet, b []byte, at int) []byte {
	var pseudo []byte
	if p.Protocol != protoICMP {
		pseudo = pseudoHeader(p, len(b))
	}
	binary.BigEndian.PutUint16(b[at:], ^sum(append(pseudo, b...)))
	return b
}

func pseudoHeader(p eval.Packet, length int) []byte {
	b := append(p.Src.AsSlice(), p.Dst.AsSlice()...)
	return binary.BigEndian.AppendUint16(append(b, 0, p.Protocol), uint16(length))
}

func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		s += word
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// ethernet is the length of the header of a frame.
const ethernet = 14

// frame wraps a segment in IP and Ethernet.
func frame(p eval.Packet, segment []byte) []byte {
	b := append(append([]byte(nil), routerMAC...), peerMAC...)
	if p.Src.Is4() {
		b = append(b, 0x08, 0x00)
		header := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, p.Protocol, 0, 0}
		binary.BigEndian.PutUint16(header[2:], uint16(20+len(segment)))
		header = append(append(header, p.Src.AsSlice()...), p.Dst.AsSlice()...)
		binary.BigEndian.PutUint16(header[10:], ^sum(header))
		return append(append(b, header...), segment...)
	}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(segment)))
	b = append(b, p.Protocol, hopLimit)
	b = append(append(b, p.Src.AsSlice()...), p.Dst.AsSlice()...)
	return append(b, segment...)
}

// hopLimit is what neighbour discovery demands, and good for all else.
const hopLimit = 255

// carried returns source, destination and segment of a frame; ok is false for anything but IP.
func carried(frame []byte) (src, dst netip.Addr, segment []byte, ok bool) {
	if len(frame) < ethernet+20 {
		return src, dst, nil, false
	}
	packet := frame[ethernet:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		length := int(binary.BigEndian.Uint16(packet[2:]))
		src, _ = netip.AddrFromSlice(packet[12:16])
		dst, _ = netip.AddrFromSlice(packet[16:20])
		return src, dst, packet[20:min(length, len(packet))], true
	case 0x86dd:
		if len(packet) < 40 {
			return src, dst, nil, false
		}
		src, _ = netip.AddrFromSlice(packet[8:24])
		dst, _ = netip.AddrFromSlice(packet[24:40])
		return src, dst, packet[40:], true
	}
	return src, dst, nil, false
}
