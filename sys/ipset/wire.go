// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Commands and attributes (linux/netfilter/ipset/ip_set.h).
const (
	cmdProtocol = 1
	cmdCreate   = 2
	cmdDestroy  = 3
	cmdSwap     = 6
	cmdList     = 7
	cmdAdd      = 9
	cmdDel      = 10

	protocol = 6

	attrProtocol = 1
	attrName     = 2
	attrType     = 3 // of swap: the other name
	attrRevision = 4
	attrFamily   = 5
	attrFlags    = 6
	attrData     = 7
	attrElements = 8
	attrLine     = 9

	dataIP       = 1
	dataCIDR     = 3
	dataPort     = 4
	dataProtocol = 7
	dataHashSize = 18
	dataMaxElem  = 19
	dataCount    = 24
	dataRefs     = 25
	dataIface    = 23 // in elements

	addrIPv4 = 1
	addrIPv6 = 2

	flagListHeader = 1 << 2

	nested    = unix.NLA_F_NESTED
	byteorder = unix.NLA_F_NET_BYTEORDER
)

const (
	messageHeader = unix.SizeofNlMsghdr + 4
	attrHeader    = 4
)

var native = binary.NativeEndian

// wire appends netlink messages to a buffer.
type wire struct{ buf []byte }

// begin opens a message; end closes it.
func (w *wire) begin(cmd, flags uint16, seq uint32) int {
	at := len(w.buf)
	w.buf = native.AppendUint32(w.buf, 0)
	w.buf = native.AppendUint16(w.buf, unix.NFNL_SUBSYS_IPSET<<8|cmd)
	w.buf = native.AppendUint16(w.buf, unix.NLM_F_REQUEST|flags)
	w.buf = native.AppendUint32(w.buf, seq)
	w.buf = native.AppendUint32(w.buf, 0)
	w.buf = append(w.buf, unix.AF_INET, unix.NFNETLINK_V0, 0, 0)
	w.u8(attrProtocol, protocol)
	return at
}

func (w *wire) end(at int) { native.PutUint32(w.buf[at:], uint32(len(w.buf)-at)) }

// open begins an attribute that holds others; shut ends it.
func (w *wire) open(typ uint16) int {
	at := len(w.buf)
	w.header(typ|nested, 0)
	return at
}

func (w *wire) shut(at int) { native.PutUint16(w.buf[at:], uint16(len(w.buf)-at)) }

func (w *wire) header(typ uint16, length int) {
	w.buf = native.AppendUint16(w.buf, uint16(attrHeader+length))
	w.buf = native.AppendUint16(w.buf, typ)
}

func (w *wire) bytes(typ uint16, b []byte) {
	w.header(typ, len(b))
	w.buf = append(w.buf, b...)
	w.pad()
}

func (w *wire) pad() {
	for len(w.buf)%4 != 0 {
		w.buf = append(w.buf, 0)
	}
}

func (w *wire) str(typ uint16, s string) {
	w.header(typ, len(s)+1)
	w.buf = append(append(w.buf, s...), 0)
	w.pad()
}

func (w *wire) u8(typ uint16, v uint8) {
	w.header(typ, 1)
	w.buf = append(w.buf, v, 0, 0, 0)
}

func (w *wire) u16(typ uint16, v uint16) {
	w.header(typ|byteorder, 2)
	w.buf = append(binary.BigEndian.AppendUint16(w.buf, v), 0, 0)
}

func (w *wire) u32(typ uint16, v uint32) {
	w.header(typ|byteorder, 4)
	w.buf = binary.BigEndian.AppendUint32(w.buf, v)
}

// element appends one element.
func (w *wire) element(s Set, e Element) {
	data := w.open(attrData)
	ip := w.open(dataIP)
	if s.IPv6 {
		b := e.Prefix.Addr().As16()
		w.bytes(addrIPv6|byteorder, b[:])
	} else {
		b := e.Prefix.Addr().As4()
		w.bytes(addrIPv4|byteorder, b[:])
	}
	w.shut(ip)
	if s.Kind != Port {
		w.u8(dataCIDR, uint8(e.Prefix.Bits()))
	}
	switch s.Kind {
	case Port:
		w.u8(dataProtocol, e.Protocol)
		w.u16(dataPort, e.Port)
	case NetIface:
		w.str(dataIface, e.Interface)
	}
	w.shut(data)
}

// attrs yields type and value of the attributes in b, and stops at the first malformed one.
func attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attrHeader {
			length := int(native.Uint16(b))
			if length < attrHeader || length > len(b) {
				return
			}
			if !yield(native.Uint16(b[2:])&^uint16(nested|byteorder), b[attrHeader:length]) {
				return
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}

// decodeElement reads the inside of a data attribute.
func decodeElement(b []byte) Element {
	var e Element
	var addr netip.Addr
	bits := -1
	for typ, v := range attrs(b) {
		switch {
		case typ == dataIP:
			for _, raw := range attrs(v) {
				addr, _ = netip.AddrFromSlice(raw)
			}
		case typ == dataCIDR && len(v) > 0:
			bits = int(v[0])
		case typ == dataProtocol && len(v) > 0:
			e.Protocol = v[0]
		case typ == dataPort && len(v) >= 2:
			e.Port = binary.BigEndian.Uint16(v)
		case typ == dataIface:
			e.Interface = text(v)
		}
	}
	if bits < 0 {
		bits = addr.BitLen()
	}
	e.Prefix = netip.PrefixFrom(addr, bits)
	return e
}

func text(v []byte) string {
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

func number(v []byte) int {
	if len(v) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(v))
}
