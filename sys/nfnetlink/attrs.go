// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nfnetlink

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

const (
	// attrHeader is struct nlattr: length (header included) and type, two bytes each.
	attrHeader = 4
	// nested is NLA_F_NESTED, typeMask NLA_TYPE_MASK.
	nested   = 0x8000
	typeMask = 0x3fff
)

// Attrs is a list of netlink attributes: type and value, padded to four bytes.
type Attrs []byte

// Bytes appends an attribute.
func (a *Attrs) Bytes(kind uint16, value ...byte) {
	*a = binary.NativeEndian.AppendUint16(*a, uint16(attrHeader+len(value)))
	*a = binary.NativeEndian.AppendUint16(*a, kind)
	*a = append(*a, value...)
	for len(*a)%4 != 0 {
		*a = append(*a, 0)
	}
}

// Uint16 appends a number in network byte order.
func (a *Attrs) Uint16(kind, value uint16) {
	a.Bytes(kind, binary.BigEndian.AppendUint16(nil, value)...)
}

// Uint32 appends a number in network byte order.
func (a *Attrs) Uint32(kind uint16, value uint32) {
	a.Bytes(kind, binary.BigEndian.AppendUint32(nil, value)...)
}

// HostUint32 appends a number in the machine's byte order.
func (a *Attrs) HostUint32(kind uint16, value uint32) {
	a.Bytes(kind, binary.NativeEndian.AppendUint32(nil, value)...)
}

// Addr appends an address of 4 or 16 bytes.
func (a *Attrs) Addr(kind uint16, addr netip.Addr) { a.Bytes(kind, addr.AsSlice()...) }

// Nest appends an attribute whose value is what fill appends.
func (a *Attrs) Nest(kind uint16, fill func(a *Attrs)) {
	at := len(*a)
	a.Bytes(kind | nested)
	fill(a)
	binary.NativeEndian.PutUint16((*a)[at:], uint16(len(*a)-at))
}

// Each yields type and value of the attributes in b. It stops at the first malformed one.
func Each(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attrHeader {
			length := int(binary.NativeEndian.Uint16(b))
			if length < attrHeader || length > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&typeMask, b[attrHeader:length:length]) {
				return
			}
			b = b[min(align(length), len(b)):]
		}
	}
}

// Attr returns the value of the first attribute of a type, nil when there is none.
func Attr(b []byte, kind uint16) []byte {
	for k, v := range Each(b) {
		if k == kind {
			return v
		}
	}
	return nil
}

// Uint8 decodes a number; one that is too short is 0.
func Uint8(v []byte) uint8 {
	if len(v) < 1 {
		return 0
	}
	return v[0]
}

// Uint16 decodes a number in network byte order; one that is too short is 0.
func Uint16(v []byte) uint16 {
	if len(v) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(v)
}

// Uint32 decodes a number in network byte order; one that is too short is 0.
func Uint32(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

// Addr decodes an address; one that is none is the zero value.
func Addr(v []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(v)
	return a
}

func align(n int) int { return (n + 3) &^ 3 }
