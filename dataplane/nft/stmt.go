// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// stmt is one statement of a rule: it has a text in the nft tool's language and an encoding for the kernel.
type stmt interface {
	fmt.Stringer
	encode(e *nft.Exprs)
}

// ruleSpec is a rendered rule.
type ruleSpec struct {
	stmts   []stmt
	comment string
}

func (r ruleSpec) String() string {
	var b strings.Builder
	for i, s := range r.stmts {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s.String())
	}
	if r.comment != "" {
		b.WriteString(" comment " + quote(r.comment))
	}
	return b.String()
}

// encode returns expressions and user data.
func (r ruleSpec) encode() (exprs, userData []byte) {
	var e nft.Exprs
	for _, s := range r.stmts {
		s.encode(&e)
	}
	if r.comment != "" {
		userData = nft.Comment(r.comment)
	}
	return e.Bytes(), userData
}

func quote(s string) string { return `"` + s + `"` }

// is compares a field with one value.
type is struct {
	f     *field
	not   bool
	value []byte
}

func (s is) String() string { return s.f.text + " " + not(s.not) + show(s.f.kind, s.value) }

func (s is) encode(e *nft.Exprs) {
	s.f.load(e, s.f.kind.Len, 0)
	e.Cmp(cmpOp(s.not), 0, s.value)
}

// named compares the start of an interface name.
type named struct {
	f      *field
	not    bool
	prefix string
}

func (s named) String() string { return s.f.text + " " + not(s.not) + quote(s.prefix+"*") }

func (s named) encode(e *nft.Exprs) {
	s.f.load(e, s.f.kind.Len, 0)
	e.Cmp(cmpOp(s.not), 0, []byte(s.prefix))
}

// within compares an address with a prefix. Whole bytes need no mask: only they are loaded.
type within struct {
	f      *field
	not    bool
	prefix netip.Prefix
}

func (s within) String() string { return s.f.text + " " + not(s.not) + s.prefix.String() }

func (s within) encode(e *nft.Exprs) {
	bits, value := s.prefix.Bits(), s.prefix.Masked().Addr().AsSlice()
	if bits > 0 && bits%8 == 0 {
		s.f.load(e, bits/8, 0)
		e.Cmp(cmpOp(s.not), 0, value[:bits/8])
		return
	}
	s.f.load(e, len(value), 0)
	e.Mask(0, mask(bits, len(value)))
	e.Cmp(cmpOp(s.not), 0, value)
}

func mask(bits, length int) []byte {
	out := make([]byte, length)
	for i := range bits {
		out[i/8] |= 0x80 >> (i % 8)
	}
	return out
}

// between compares a field with a range.
type between struct {
	f      *field
	not    bool
	lo, hi []byte
}

func (s between) String() string {
	return s.f.text + " " + not(s.not) + show(s.f.kind, s.lo) + "-" + show(s.f.kind, s.hi)
}

func (s between) encode(e *nft.Exprs) {
	s.f.load(e, s.f.kind.Len, 0)
	e.Range(s.not, 0, s.lo, s.hi)
}

// state tests conntrack state bits: one of them is set.
type state uint32

func (s state) String() string {
	var names []string
	for _, bit := range []uint32{ctEstablished, ctRelated, ctNew, ctInvalid} {
		if uint32(s)&bit != 0 {
			names = append(names, ctStates[bit])
		}
	}
	return "ct state " + strings.Join(names, ",")
}

func (s state) encode(e *nft.Exprs) {
	e.CtState(0)
	e.Mask(0, binary.NativeEndian.AppendUint32(nil, uint32(s)))
	e.Cmp(nft.CmpNeq, 0, make([]byte, 4))
}

// ended tests the mark of connections that policy has ended.
type ended struct{ not bool }

func (s ended) String() string {
	op := "!="
	if s.not {
		op = "=="
	}
	return fmt.Sprintf("ct mark & 0x%08x %s 0", own.EndedMark, op)
}

func (s ended) encode(e *nft.Exprs) {
	e.CtMark(0)
	e.Mask(0, binary.NativeEndian.AppendUint32(nil, own.EndedMark))
	e.Cmp(cmpOp(!s.not), 0, make([]byte, 4))
}

// midway tests for TCP segments that open no connection: all but a SYN by itself.
type midway struct{}

func (midway) String() string { return "tcp flags & (fin | syn | rst | ack) != syn" }

func (midway) encode(e *nft.Exprs) {
	const flags, fin, syn, rst, ack = 13, 0x01, 0x02, 0x04, 0x10 // RFC 9293, section 3.1
	e.Payload(nft.TransportHeader, flags, 1, 0)
	e.Mask(0, []byte{fin | syn | rst | ack})
	e.Cmp(nft.CmpNeq, 0, []byte{syn})
}

// opening tests for TCP segments that open a connection, from either side.
type opening struct{}

func (opening) String() string { return "tcp flags & (syn | rst) == syn" }

func (opening) encode(e *nft.Exprs) {
	const flags, syn, rst = 13, 0x02, 0x04 // RFC 9293, section 3.1
	e.Payload(nft.TransportHeader, flags, 1, 0)
	e.Mask(0, []byte{syn | rst})
	e.Cmp(nft.CmpEq, 0, []byte{syn})
}

// clampMSS lowers the segment size that a TCP segment asks for to what its routes have room for.
type clampMSS struct{}

func (clampMSS) String() string { return "tcp option maxseg size set rt mtu" }

func (clampMSS) encode(e *nft.Exprs) {
	e.RouteMSS(0)
	e.LowerMSS(0)
}

// in looks up fields in a set.
type in struct {
	fields []*field
	not    bool
	set    string
	konst  *constSet // when the set belongs to the rule
}

func (s in) String() string { return joined(s.fields) + " " + not(s.not) + "@" + s.set }

func (s in) encode(e *nft.Exprs) {
	loadAll(e, s.fields)
	e.Lookup(s.not, 0, s.set)
}

// vmap follows the verdict that a map holds.
type vmap struct {
	f    *field
	name string
}

func (s vmap) String() string { return s.f.text + " vmap @" + s.name }

func (s vmap) encode(e *nft.Exprs) {
	s.f.load(e, s.f.kind.Len, 0)
	e.LookupVerdict(0, s.name)
}

type counter struct{}

func (counter) String() string      { return "counter" }
func (counter) encode(e *nft.Exprs) { e.Counter() }

type logged struct{ prefix string }

func (s logged) String() string      { return "log prefix " + quote(s.prefix) }
func (s logged) encode(e *nft.Exprs) { e.Log(s.prefix) }

// rejectTCP and rejectOther answer a packet that is dropped.
type (
	rejectTCP   struct{}
	rejectOther struct{}
)

func (rejectTCP) String() string        { return "reject with tcp reset" }
func (rejectTCP) encode(e *nft.Exprs)   { e.RejectTCP() }
func (rejectOther) String() string      { return "reject with icmpx admin-prohibited" }
func (rejectOther) encode(e *nft.Exprs) { e.RejectProhibited() }

// then ends the rule.
type then nft.Verdict

var (
	accept  = then{Code: nft.VerdictAccept}
	drop    = then{Code: nft.VerdictDrop}
	returns = then{Code: nft.VerdictReturn}
	denied  = goTo(chainDeny)
)

func jump(chain string) then       { return then{nft.VerdictJump, chain} }
func goTo(chain string) then       { return then{nft.VerdictGoto, chain} }
func (s then) String() string      { return verdictText(nft.Verdict(s)) }
func (s then) encode(e *nft.Exprs) { e.Verdict(nft.Verdict(s)) }

func verdictText(v nft.Verdict) string {
	switch v.Code {
	case nft.VerdictAccept:
		return "accept"
	case nft.VerdictDrop:
		return "drop"
	case nft.VerdictReturn:
		return "return"
	case nft.VerdictJump:
		return "jump " + v.Chain
	case nft.VerdictGoto:
		return "goto " + v.Chain
	}
	return "verdict " + strconv.Itoa(int(v.Code))
}

func not(n bool) string {
	if n {
		return "!= "
	}
	return ""
}

func cmpOp(n bool) nft.CmpOp {
	if n {
		return nft.CmpNeq
	}
	return nft.CmpEq
}

func joined(fields []*field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.text)
	}
	return strings.Join(names, " . ")
}

// loadAll loads a concatenated key: each field starts at a register of its own.
func loadAll(e *nft.Exprs, fields []*field) {
	var r nft.Reg
	for _, f := range fields {
		f.load(e, f.kind.Len, r)
		r += nft.Reg((f.kind.Len + 3) / 4)
	}
}

// ruleRecord is what the kernel is given for a rule.
type ruleRecord struct{ exprs, userData []byte }

func (r ruleRecord) appendTo(b []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(len(r.exprs)))
	b = append(b, r.exprs...)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(r.userData)))
	return append(b, r.userData...)
}
