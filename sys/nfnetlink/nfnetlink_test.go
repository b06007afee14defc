// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nfnetlink

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttributesRoundTrip(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8::1")
	var a Attrs
	a.Bytes(1, 7)
	a.Nest(2, func(a *Attrs) {
		a.Uint16(3, 0x1234)
		a.Addr(4, addr)
	})
	a.Uint32(5, 77)
	if len(a)%4 != 0 || Uint8(Attr(a, 1)) != 7 || Uint32(Attr(a, 5)) != 77 || Attr(a, 9) != nil {
		t.Errorf("decoded wrongly: % x", []byte(a))
	}
	if inner := Attr(a, 2); Uint16(Attr(inner, 3)) != 0x1234 || Addr(Attr(inner, 4)) != addr {
		t.Errorf("nested: % x", inner)
	}
	if Uint8(nil) != 0 || Uint16([]byte{1}) != 0 || Uint32([]byte{1, 2}) != 0 || Addr([]byte{1}).IsValid() {
		t.Error("a short value is not read as nothing")
	}
}

// FuzzAnswer feeds garbage to what decodes messages: it may not panic or run on for ever.
func FuzzAnswer(f *testing.F) {
	r := Request{Subsystem: unix.NFNL_SUBSYS_CTNETLINK, Dump: true}
	r.Body.Uint32(1, 2)
	f.Add(r.encode(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(_ *testing.T, data []byte) {
		a := answer{seq: 1, yield: func(b []byte) { Attr(b, 1) }}
		_ = split(data, a.take)
		_ = message{kind: unix.NLMSG_ERROR, flags: 0xffff, body: data}.result()
	})
}
