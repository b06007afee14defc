// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"errors"
	"iter"
	"net/netip"

	"golang.org/x/sys/unix"
)

// native is the byte order of netlink: the machine's own (netlink(7)). Addresses alone are in network order.
var native = binary.NativeEndian

// errTruncated reports a message or attribute whose length does not fit the data around it.
var errTruncated = errors.New("netlink: truncated message")

// kindMask is NLA_TYPE_MASK of linux/netlink.h.
const kindMask = 0x3fff

// header is struct nlmsghdr without its length.
type header struct {
	kind, flags uint16
	seq, port   uint32
}

// builder appends messages to one buffer, so that many requests travel in one system call.
type builder struct {
	buf   []byte
	start int // where the message under construction begins
}

func (b *builder) begin(kind, flags uint16, seq uint32, body []byte) {
	b.start = len(b.buf)
	b.buf = native.AppendUint32(b.buf, 0)
	b.buf = native.AppendUint16(b.buf, kind)
	b.buf = native.AppendUint16(b.buf, flags)
	b.buf = native.AppendUint32(b.buf, seq)
	b.buf = native.AppendUint32(b.buf, 0)
	b.buf = append(b.buf, body...)
}

// end writes the length. Bodies and attributes are padded as they are appended, so the message ends aligned.
func (b *builder) end() { native.PutUint32(b.buf[b.start:], uint32(len(b.buf)-b.start)) }

// setFlag adds a flag to the message that was begun last.
func (b *builder) setFlag(flag uint16) {
	native.PutUint16(b.buf[b.start+6:], native.Uint16(b.buf[b.start+6:])|flag)
}

func (b *builder) attr(kind uint16, value ...byte) {
	b.buf = native.AppendUint16(b.buf, uint16(unix.SizeofRtAttr+len(value)))
	b.buf = native.AppendUint16(b.buf, kind)
	b.buf = append(b.buf, value...)
	for len(b.buf)%4 != 0 {
		b.buf = append(b.buf, 0)
	}
}

func (b *builder) attrUint32(kind uint16, v uint32) {
	var raw [4]byte
	native.PutUint32(raw[:], v)
	b.attr(kind, raw[:]...)
}

func (b *builder) attrAddr(kind uint16, a netip.Addr) {
	if a.Is4() {
		raw := a.As4()
		b.attr(kind, raw[:]...)
		return
	}
	raw := a.As16()
	b.attr(kind, raw[:]...)
}

// nest opens an attribute that holds others; the caller hands its result to close.
func (b *builder) nest(kind uint16) int {
	at := len(b.buf)
	b.attr(kind)
	return at
}

func (b *builder) close(at int) { native.PutUint16(b.buf[at:], uint16(len(b.buf)-at)) }

// messages yields the messages of one datagram; the last item carries an error when the data ends too early.
func messages(buf []byte) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		for len(buf) > 0 {
			m, rest, err := cutMessage(buf)
			if !yield(m, err) || err != nil {
				return
			}
			buf = rest
		}
	}
}

// message is one netlink message; body aliases the receive buffer.
type message struct {
	header
	body []byte
}

func cutMessage(buf []byte) (message, []byte, error) {
	if len(buf) < unix.SizeofNlMsghdr {
		return message{}, nil, errTruncated
	}
	size := int(native.Uint32(buf))
	if size < unix.SizeofNlMsghdr || size > len(buf) {
		return message{}, nil, errTruncated
	}
	h := header{kind: native.Uint16(buf[4:]), flags: native.Uint16(buf[6:]), seq: native.Uint32(buf[8:]), port: native.Uint32(buf[12:])}
	return message{h, buf[unix.SizeofNlMsghdr:size]}, buf[min(align(size), len(buf)):], nil
}

// attributes calls fn for each attribute in b, the nesting and byte order flags taken off the kind.
func attributes(b []byte, fn func(kind uint16, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < unix.SizeofRtAttr {
			return errTruncated
		}
		size := int(native.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return errTruncated
		}
		if err := fn(native.Uint16(b[2:])&kindMask, b[unix.SizeofRtAttr:size]); err != nil {
			return err
		}
		b = b[min(align(size), len(b)):]
	}
	return nil
}

func align(n int) int { return (n + 3) &^ 3 }

func uint32Of(value []byte) (uint32, error) {
	if len(value) < 4 {
		return 0, errTruncated
	}
	return native.Uint32(value), nil
}

func addrOf(value []byte) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(value)
	if !ok {
		return netip.Addr{}, errTruncated
	}
	return a, nil
}
