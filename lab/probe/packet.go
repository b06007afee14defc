// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
)

// token marks every packet of a flow. It is carried as payload, so that it survives address translation.
type token struct {
	run   uint32 // drawn anew for each run, so that late packets of an earlier one do not count
	index uint32 // of the flow
}

const tokenLen = 12

// magic keeps foreign traffic on the same sockets apart.
const magic = 0x77656674 // "weft"

func (t token) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, magic)
	b = binary.BigEndian.AppendUint32(b, t.run)
	return binary.BigEndian.AppendUint32(b, t.index)
}

// parseToken reads the token at the start of b.
func parseToken(b []byte) (token, bool) {
	if len(b) < tokenLen || binary.BigEndian.Uint32(b) != magic {
		return token{}, false
	}
	return token{run: binary.BigEndian.Uint32(b[4:]), index: binary.BigEndian.Uint32(b[8:])}, true
}

// ICMP echo message types (RFC 792, RFC 4443).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

const icmpHeader = 8

// echoRequest builds an ICMP echo request. The kernel fills in the checksum of ICMPv6 (RFC 3542, section 3.1).
func echoRequest(to netip.Addr, t token) []byte {
	msg := make([]byte, icmpHeader, icmpHeader+tokenLen)
	binary.BigEndian.PutUint16(msg[4:], uint16(t.run))   // identifier
	binary.BigEndian.PutUint16(msg[6:], uint16(t.index)) // sequence number
	msg[0] = echoRequest6
	msg = t.append(msg)
	if to.Is4() {
		msg[0] = echoRequest4
		binary.BigEndian.PutUint16(msg[2:], internetChecksum(msg))
	}
	return msg
}

// parseEcho reads an echo request or reply of one of our runs.
func parseEcho(msg []byte) (t token, reply, ok bool) {
	if len(msg) < icmpHeader {
		return token{}, false, false
	}
	switch msg[0] {
	case echoRequest4, echoRequest6:
	case echoReply4, echoReply6:
		reply = true
	default:
		return token{}, false, false
	}
	t, ok = parseToken(msg[icmpHeader:])
	return t, reply, ok
}

// internetChecksum is RFC 1071's, over a message whose checksum field is zero.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
