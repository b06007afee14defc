// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"hash/crc32"
)

// SCTP chunk types (RFC 9260, section 3.2).
const (
	sctpInit    = 1
	sctpInitAck = 2
)

// SCTP sizes in bytes: common header, INIT chunk without parameters, parameter header.
const (
	sctpHeader      = 12
	sctpInitLen     = 20
	sctpParamHeader = 4
)

// SCTP parameter types. Receivers skip an unknown one whose highest bits are 10 (RFC 9260, section 3.2.1); ours carries the token.
const (
	sctpParamCookie = 7
	sctpParamToken  = 0x8077
)

// sctpPacket is an INIT or INIT-ACK.
type sctpPacket struct {
	srcPort, dstPort uint16
	// tag is the verification tag: 0 in an INIT, the peer's initiate tag in an INIT-ACK.
	tag uint32
	// chunk is sctpInit or sctpInitAck.
	chunk byte
	// initiate tag of the sender, never 0.
	initiate uint32
	token    token
}

// answer is the INIT-ACK to an INIT.
func (p sctpPacket) answer() sctpPacket {
	return sctpPacket{
		srcPort: p.dstPort, dstPort: p.srcPort, tag: p.initiate, chunk: sctpInitAck, initiate: ^p.initiate | 1, token: p.token,
	}
}

// encode builds the packet with its CRC32c (RFC 9260, section 6.8): connection tracking drops packets where it is wrong.
func (p sctpPacket) encode() []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, p.srcPort)
	b = be.AppendUint16(b, p.dstPort)
	b = be.AppendUint32(b, p.tag)
	b = be.AppendUint32(b, 0) // checksum
	b = append(b, p.chunk, 0, 0, 0)
	b = be.AppendUint32(b, p.initiate)
	b = be.AppendUint32(b, 65536) // advertised receiver window
	b = be.AppendUint16(b, 1)     // outbound streams
	b = be.AppendUint16(b, 1)     // inbound streams
	b = be.AppendUint32(b, 1)     // initial transmission sequence number
	b = appendParam(b, sctpParamToken, p.token.append(nil))
	if p.chunk == sctpInitAck { // its cookie is mandatory
		b = appendParam(b, sctpParamCookie, []byte("weft"))
	}
	be.PutUint16(b[sctpHeader+2:], uint16(len(b)-sctpHeader))
	// The one field of SCTP in the other byte order (RFC 9260, appendix A).
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// appendParam appends a parameter whose value is a multiple of four bytes.
func appendParam(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(sctpParamHeader+len(value)))
	return append(b, value...)
}

// parseSCTP reads an INIT or INIT-ACK of one of our runs.
func parseSCTP(b []byte) (sctpPacket, bool) {
	be := binary.BigEndian
	if len(b) < sctpHeader+sctpInitLen {
		return sctpPacket{}, false
	}
	p := sctpPacket{
		srcPort: be.Uint16(b), dstPort: be.Uint16(b[2:]), tag: be.Uint32(b[4:]),
		chunk: b[sctpHeader], initiate: be.Uint32(b[sctpHeader+4:]),
	}
	if p.chunk != sctpInit && p.chunk != sctpInitAck {
		return sctpPacket{}, false
	}
	end := sctpHeader + int(be.Uint16(b[sctpHeader+2:]))
	if end < sctpHeader+sctpInitLen || end > len(b) {
		return sctpPacket{}, false
	}
	value, ok := findParam(b[sctpHeader+sctpInitLen:end], sctpParamToken)
	if !ok {
		return sctpPacket{}, false
	}
	p.token, ok = parseToken(value)
	return p, ok
}

// findParam returns the value of the first parameter of a kind; parameters are padded to four bytes.
func findParam(b []byte, kind uint16) ([]byte, bool) {
	for len(b) >= sctpParamHeader {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < sctpParamHeader || n > len(b) {
			return nil, false
		}
		if binary.BigEndian.Uint16(b) == kind {
			return b[sctpParamHeader:n], true
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil, false
}
