// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"iter"
)

// Netlink attributes: two bytes length (header included), two bytes type, value, padding to four bytes.
const (
	attrHeader = 4
	attrAlign  = 4
	// attrMax is the longest attribute a 16-bit length can state.
	attrMax = 0xffff
	// attrFlags are the two bits of the type that say "nested" and "network byte order".
	attrFlags = 0xc000
)

// attrs appends netlink attributes to a buffer. Integers are in network byte order, as nf_tables wants them.
type attrs struct{ buf []byte }

func (a *attrs) header(typ uint16, length int) {
	a.buf = binary.NativeEndian.AppendUint16(a.buf, uint16(attrHeader+length))
	a.buf = binary.NativeEndian.AppendUint16(a.buf, typ)
}

func (a *attrs) pad() {
	for len(a.buf)%attrAlign != 0 {
		a.buf = append(a.buf, 0)
	}
}

func (a *attrs) bytes(typ uint16, value []byte) {
	a.header(typ, len(value))
	a.buf = append(a.buf, value...)
	a.pad()
}

// str appends a string with its terminating NUL.
func (a *attrs) str(typ uint16, value string) {
	a.header(typ, len(value)+1)
	a.buf = append(a.buf, value...)
	a.buf = append(a.buf, 0)
	a.pad()
}

func (a *attrs) be32(typ uint16, value uint32) {
	a.header(typ, 4)
	a.buf = binary.BigEndian.AppendUint32(a.buf, value)
}

func (a *attrs) be64(typ uint16, value uint64) {
	a.header(typ, 8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, value)
}

// begin opens a nested attribute; end(begin(t)) closes it.
func (a *attrs) begin(typ uint16) int {
	at := len(a.buf)
	a.header(typ, 0)
	return at
}

func (a *attrs) end(at int) {
	binary.NativeEndian.PutUint16(a.buf[at:], uint16(len(a.buf)-at))
}

// eachAttr yields type and value of the attributes in b. It stops at the first malformed one.
func eachAttr(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attrHeader {
			length := int(binary.NativeEndian.Uint16(b))
			if length < attrHeader || length > len(b) {
				return
			}
			typ := binary.NativeEndian.Uint16(b[2:]) &^ attrFlags
			if !yield(typ, b[attrHeader:length:length]) {
				return
			}
			b = b[min(align(length), len(b)):]
		}
	}
}

// attr returns the first attribute of a type, nil when absent.
func attr(b []byte, typ uint16) []byte {
	for t, v := range eachAttr(b) {
		if t == typ {
			return v
		}
	}
	return nil
}

func align(n int) int { return (n + attrAlign - 1) &^ (attrAlign - 1) }

// text decodes a NUL-terminated string.
func text(v []byte) string {
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

func number32(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

func number64(v []byte) uint64 {
	if len(v) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}
