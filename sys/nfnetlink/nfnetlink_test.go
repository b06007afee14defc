// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nfnetlink

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns/netnstest"
)

func TestAttributesRoundTrip(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8::1")
	var a Attrs
	a.Uint8(1, 7)
	a.Nest(2, func(a *Attrs) {
		a.Uint16(3|unix.NLA_F_NET_BYTEORDER, 0x1234)
		a.Addr(4, addr)
	})
	a.Uint32(5, 77)
	a.Uint64(6, 1<<40)
	a.String(7, "name")
	if len(a)%4 != 0 || Uint8(Attr(a, 1)) != 7 || Uint32(Attr(a, 5)) != 77 || Uint64(Attr(a, 6)) != 1<<40 || String(Attr(a, 7)) != "name" || Attr(a, 9) != nil {
		t.Errorf("decoded wrongly: % x", []byte(a))
	}
	if inner := Attr(a, 2); Uint16(Attr(inner, 3)) != 0x1234 || Addr(Attr(inner, 4)) != addr {
		t.Errorf("nested: % x", inner)
	}
	if Uint8(nil) != 0 || Uint16([]byte{1}) != 0 || Uint32([]byte{1, 2}) != 0 || Uint64([]byte{1}) != 0 || Addr([]byte{1}).IsValid() {
		t.Error("a short value is not read as nothing")
	}
}

// TestAnswers reads what the kernel may answer to a dump.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  []Message
		want error
	}{
		{"complete", []Message{{Seq: 1, body: make([]byte, 8)}, {Seq: 1, Kind: unix.NLMSG_DONE, body: make([]byte, 4)}}, nil},
		{"changed meanwhile", []Message{{Seq: 1, Flags: unix.NLM_F_DUMP_INTR}, {Seq: 1, Kind: unix.NLMSG_DONE, body: make([]byte, 4)}}, ErrChanged},
		{"refused", []Message{{Seq: 1, Kind: unix.NLMSG_ERROR, body: []byte{0xff, 0xff, 0xff, 0xff}}}, unix.EPERM},
	} {
		a := answer{seq: 1}
		for _, m := range tc.got {
			a.take(m)
		}
		if err := a.result(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	a := answer{seq: 2}
	a.take(Message{Seq: 1, Kind: unix.NLMSG_DONE, body: make([]byte, 4)})
	if a.result() == nil {
		t.Error("the end of another answer is taken for that of this")
	}
}

// TestExchangesLeaveNoGarbage asks the kernel for the version of its IP sets, again and again.
func TestExchangesLeaveNoGarbage(t *testing.T) {
	var c *Conn
	if err := netnstest.New(t).Do(func() (err error) { c, err = Open(); return err }); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	r := Request{Subsystem: unix.NFNL_SUBSYS_IPSET, Message: 1, Family: unix.AF_INET}
	r.Body.Uint8(1, 6)
	request, answers := r.encode(c.NextSeq()), 0
	allocations := testing.AllocsPerRun(100, func() {
		if err := c.Send(request); err != nil {
			t.Fatal(err)
		}
		if err := c.Receive(func(Message) { answers++ }); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 0 || answers < 100 {
		t.Errorf("%.0f allocations for an exchange, %d answers", allocations, answers)
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
		_ = Split(data, func(m Message) bool { a.take(m); return true })
		_ = Message{Kind: unix.NLMSG_ERROR, Flags: 0xffff, body: data}.Result()
	})
}
