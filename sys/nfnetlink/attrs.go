// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nfnetlink

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	// attrHeader is struct nlattr: length (header included) and type, two bytes each.
	attrHeader = 4
	// flagBits of a type say "nested" and "network byte order".
	flagBits = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
)

// MaxAttr is the length in bytes of the longest attribute, its header included: the length has 16 bits.
const MaxAttr = 0xffff

// Attrs is a list of netlink attributes: type and value, padded to four bytes. The zero value is an empty list.
type Attrs []byte

func (a *Attrs) header(kind uint16, length int) {
	*a = binary.NativeEndian.AppendUint16(*a, uint16(attrHeader+length))
	*a = binary.NativeEndian.AppendUint16(*a, kind)
}

func (a *Attrs) pad() {
	for len(*a)%4 != 0 {
		*a = append(*a, 0)
	}
}

// Bytes appends an attribute.
func (a *Attrs) Bytes(kind uint16, value []byte) {
	a.header(kind, len(value))
	*a = append(*a, value...)
	a.pad()
}

// String appends a text that ends with a zero byte.
func (a *Attrs) String(kind uint16, value string) {
	a.header(kind, len(value)+1)
	*a = append(append(*a, value...), 0)
	a.pad()
}

// Uint8 appends a number.
func (a *Attrs) Uint8(kind uint16, value uint8) {
	a.header(kind, 1)
	*a = append(*a, value, 0, 0, 0)
}

// Uint16 appends a number in network byte order.
func (a *Attrs) Uint16(kind, value uint16) {
	a.header(kind, 2)
	*a = append(binary.BigEndian.AppendUint16(*a, value), 0, 0)
}

// Uint32 appends a number in network byte order.
func (a *Attrs) Uint32(kind uint16, value uint32) {
	a.header(kind, 4)
	*a = binary.BigEndian.AppendUint32(*a, value)
}

// Uint64 appends a number in network byte order.
func (a *Attrs) Uint64(kind uint16, value uint64) {
	a.header(kind, 8)
	*a = binary.BigEndian.AppendUint64(*a, value)
}

// HostUint32 appends a number in the machine's byte order.
func (a *Attrs) HostUint32(kind uint16, value uint32) {
	a.header(kind, 4)
	*a = binary.NativeEndian.AppendUint32(*a, value)
}

// Addr appends an address of 4 or 16 bytes.
func (a *Attrs) Addr(kind uint16, addr netip.Addr) {
	if addr.Is4() {
		raw := addr.As4()
		a.Bytes(kind, raw[:])
		return
	}
	raw := addr.As16()
	a.Bytes(kind, raw[:])
}

// Nest appends a nested attribute whose value is what fill appends.
func (a *Attrs) Nest(kind uint16, fill func(a *Attrs)) {
	at := a.Open(kind | unix.NLA_F_NESTED)
	fill(a)
	a.Close(at)
}

// Open begins an attribute whose value is what is appended until [Attrs.Close], which wants what Open returns. It does not say that it is
// nested: where the kernel does not ask for that, old kernels do not know it.
func (a *Attrs) Open(kind uint16) int {
	at := len(*a)
	a.header(kind, 0)
	return at
}

// Close ends an attribute.
func (a *Attrs) Close(at int) { binary.NativeEndian.PutUint16((*a)[at:], uint16(len(*a)-at)) }

// Each yields type and value of the attributes in b. It stops at the first malformed one.
func Each(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attrHeader {
			length := int(binary.NativeEndian.Uint16(b))
			if length < attrHeader || length > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&^flagBits, b[attrHeader:length:length]) {
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

// String decodes a text, which ends with a zero byte or with the value.
func String(v []byte) string { return unix.ByteSliceToString(v) }

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

// Uint64 decodes a number in network byte order; one that is too short is 0.
func Uint64(v []byte) uint64 {
	if len(v) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// Addr decodes an address; one that is none is the zero value.
func Addr(v []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(v)
	return a
}

func align(n int) int { return (n + 3) &^ 3 }
