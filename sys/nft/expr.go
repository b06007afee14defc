// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Reg is the byte-quad index (0 to 15) of nf_tables' 64 bytes of registers. A value of n bytes takes (n+3)/4 registers.
type Reg uint8

// number is how the kernel writes the register in a dump: the old 16-byte numbering where it fits.
func (r Reg) number() uint32 {
	if r%4 == 0 {
		return unix.NFT_REG_1 + uint32(r)/4
	}
	return unix.NFT_REG32_00 + uint32(r)
}

// MetaKey selects packet meta data (enum nft_meta_keys).
type MetaKey uint32

// The keys in use.
const (
	MetaIif     MetaKey = unix.NFT_META_IIF
	MetaOif     MetaKey = unix.NFT_META_OIF
	MetaIifname MetaKey = unix.NFT_META_IIFNAME
	MetaOifname MetaKey = unix.NFT_META_OIFNAME
	MetaNfproto MetaKey = unix.NFT_META_NFPROTO
	MetaL4proto MetaKey = unix.NFT_META_L4PROTO
	MetaMark    MetaKey = unix.NFT_META_MARK
)

// PayloadBase is where a payload offset counts from (enum nft_payload_bases).
type PayloadBase uint32

// The bases in use.
const (
	NetworkHeader   PayloadBase = unix.NFT_PAYLOAD_NETWORK_HEADER
	TransportHeader PayloadBase = unix.NFT_PAYLOAD_TRANSPORT_HEADER
)

// CmpOp compares a register with a constant (enum nft_cmp_ops).
type CmpOp uint32

// The operators in use.
const (
	CmpEq  CmpOp = unix.NFT_CMP_EQ
	CmpNeq CmpOp = unix.NFT_CMP_NEQ
)

// Exprs encodes the expressions of one rule. The bytes are those that the kernel gives back in a dump (same attributes, same
// order, same register numbers), so that a rule can be compared with the kernel's by comparing bytes.
type Exprs struct{ a nfnetlink.Attrs }

// Bytes returns the list, the value of NFTA_RULE_EXPRESSIONS.
func (e *Exprs) Bytes() []byte { return e.a }

// expr wraps one expression.
func (e *Exprs) expr(name string, body func(a *nfnetlink.Attrs)) {
	elem := e.a.Open(unix.NFTA_LIST_ELEM)
	e.a.String(unix.NFTA_EXPR_NAME, name)
	data := e.a.Open(unix.NFTA_EXPR_DATA)
	body(&e.a)
	e.a.Close(data)
	e.a.Close(elem)
}

// Meta loads packet meta data.
func (e *Exprs) Meta(key MetaKey, dst Reg) {
	e.expr("meta", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_META_KEY, uint32(key))
		a.Uint32(unix.NFTA_META_DREG, dst.number())
	})
}

// SetMeta stores a register as packet meta data.
func (e *Exprs) SetMeta(key MetaKey, src Reg) {
	e.expr("meta", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_META_KEY, uint32(key))
		a.Uint32(unix.NFTA_META_SREG, src.number())
	})
}

// CtStatus loads the status bits of the packet's connection (enum ip_conntrack_status); without one the rule breaks.
func (e *Exprs) CtStatus(dst Reg) {
	e.expr("ct", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_CT_DREG, dst.number())
		a.Uint32(unix.NFTA_CT_KEY, unix.NFT_CT_STATUS)
	})
}

// Notrack makes connection tracking leave the packet alone. It belongs before it: into chains of priority raw.
func (e *Exprs) Notrack() {
	elem := e.a.Open(unix.NFTA_LIST_ELEM)
	e.a.String(unix.NFTA_EXPR_NAME, "notrack")
	e.a.Close(elem)
}

// CtState loads the conntrack state bits of the packet.
func (e *Exprs) CtState(dst Reg) {
	e.expr("ct", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_CT_DREG, dst.number())
		a.Uint32(unix.NFTA_CT_KEY, unix.NFT_CT_STATE)
	})
}

// CtMark loads the mark of the packet's connection.
func (e *Exprs) CtMark(dst Reg) {
	e.expr("ct", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_CT_DREG, dst.number())
		a.Uint32(unix.NFTA_CT_KEY, unix.NFT_CT_MARK)
	})
}

// Payload loads length bytes of the packet.
func (e *Exprs) Payload(base PayloadBase, offset, length uint32, dst Reg) {
	e.expr("payload", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_PAYLOAD_DREG, dst.number())
		a.Uint32(unix.NFTA_PAYLOAD_BASE, uint32(base))
		a.Uint32(unix.NFTA_PAYLOAD_OFFSET, offset)
		a.Uint32(unix.NFTA_PAYLOAD_LEN, length)
	})
}

// Mask keeps the bits of a register that are set in mask.
func (e *Exprs) Mask(reg Reg, mask []byte) { e.Bits(reg, mask, make([]byte, len(mask))) }

// Bits keeps the bits of a register that are set in mask, and then inverts those that are set in invert.
func (e *Exprs) Bits(reg Reg, mask, invert []byte) {
	e.expr("bitwise", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_BITWISE_SREG, reg.number())
		a.Uint32(unix.NFTA_BITWISE_DREG, reg.number())
		a.Uint32(unix.NFTA_BITWISE_LEN, uint32(len(mask)))
		a.Uint32(nftaBitwiseOp, 0) // NFT_BITWISE_BOOL
		appendValue(a, unix.NFTA_BITWISE_MASK, mask)
		appendValue(a, unix.NFTA_BITWISE_XOR, invert)
	})
}

// RouteMSS loads the largest TCP segment, in bytes, that fits the routes of the packet, there and back, in network byte order.
func (e *Exprs) RouteMSS(dst Reg) {
	e.expr("rt", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_RT_KEY, unix.NFT_RT_TCPMSS)
		a.Uint32(unix.NFTA_RT_DREG, dst.number())
	})
	e.expr("byteorder", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_BYTEORDER_SREG, dst.number())
		a.Uint32(unix.NFTA_BYTEORDER_DREG, dst.number())
		a.Uint32(unix.NFTA_BYTEORDER_OP, unix.NFT_BYTEORDER_HTON)
		a.Uint32(unix.NFTA_BYTEORDER_LEN, 2)
		a.Uint32(unix.NFTA_BYTEORDER_SIZE, 2)
	})
}

// LowerMSS lowers the maximum segment size that a TCP packet states to what src holds. It never raises it.
func (e *Exprs) LowerMSS(src Reg) {
	const mss, offset, length = 2, 2, 2 // the option's kind and the place of its value (RFC 9293, section 3.2)
	e.expr("exthdr", func(a *nfnetlink.Attrs) {
		a.Uint32(nftaExthdrSreg, src.number())
		a.Bytes(unix.NFTA_EXTHDR_TYPE, []byte{mss})
		a.Uint32(unix.NFTA_EXTHDR_OFFSET, offset)
		a.Uint32(unix.NFTA_EXTHDR_LEN, length)
		a.Uint32(nftaExthdrHidden, 0)
		a.Uint32(nftaExthdrOp, nftExthdrOpTCP)
	})
}

// Cmp breaks the rule unless register and value compare; a value shorter than what was loaded compares a prefix.
func (e *Exprs) Cmp(op CmpOp, src Reg, value []byte) {
	e.expr("cmp", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_CMP_SREG, src.number())
		a.Uint32(unix.NFTA_CMP_OP, uint32(op))
		appendValue(a, unix.NFTA_CMP_DATA, value)
	})
}

// Range breaks the rule unless from <= register <= to, or with not, unless it is outside.
func (e *Exprs) Range(not bool, src Reg, from, to []byte) {
	e.expr("range", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_RANGE_SREG, src.number())
		a.Uint32(unix.NFTA_RANGE_OP, flag(not, unix.NFT_RANGE_NEQ))
		appendValue(a, unix.NFTA_RANGE_FROM_DATA, from)
		appendValue(a, unix.NFTA_RANGE_TO_DATA, to)
	})
}

// Lookup breaks the rule unless the key in src is in the set, or with not, unless it is absent.
func (e *Exprs) Lookup(not bool, src Reg, set string) {
	e.expr("lookup", func(a *nfnetlink.Attrs) {
		a.String(unix.NFTA_LOOKUP_SET, set)
		a.Uint32(unix.NFTA_LOOKUP_SREG, src.number())
		a.Uint32(unix.NFTA_LOOKUP_FLAGS, flag(not, nftLookupInvert))
	})
}

// LookupVerdict follows the verdict that the map holds for the key in src; a key that is absent breaks the rule.
func (e *Exprs) LookupVerdict(src Reg, verdicts string) {
	e.expr("lookup", func(a *nfnetlink.Attrs) {
		a.String(unix.NFTA_LOOKUP_SET, verdicts)
		a.Uint32(unix.NFTA_LOOKUP_SREG, src.number())
		a.Uint32(unix.NFTA_LOOKUP_DREG, unix.NFT_REG_VERDICT)
		a.Uint32(unix.NFTA_LOOKUP_FLAGS, 0)
	})
}

// LookupData loads the value that the map holds for the key in src; a key that is absent breaks the rule.
func (e *Exprs) LookupData(src Reg, values string, dst Reg) {
	e.expr("lookup", func(a *nfnetlink.Attrs) {
		a.String(unix.NFTA_LOOKUP_SET, values)
		a.Uint32(unix.NFTA_LOOKUP_SREG, src.number())
		a.Uint32(unix.NFTA_LOOKUP_DREG, dst.number())
		a.Uint32(unix.NFTA_LOOKUP_FLAGS, 0)
	})
}

// Counter counts packets and bytes that come this far.
func (e *Exprs) Counter() {
	e.expr("counter", func(a *nfnetlink.Attrs) {
		a.Uint64(unix.NFTA_COUNTER_BYTES, 0)
		a.Uint64(unix.NFTA_COUNTER_PACKETS, 0)
	})
}

// Log writes the packet to the kernel log with a prefix of at most 127 bytes, at level warning.
func (e *Exprs) Log(prefix string) {
	e.expr("log", func(a *nfnetlink.Attrs) {
		a.String(unix.NFTA_LOG_PREFIX, prefix)
		a.Uint32(unix.NFTA_LOG_LEVEL, logWarning)
	})
}

// RejectTCP drops the packet, which must be TCP, and answers with a reset.
func (e *Exprs) RejectTCP() {
	e.expr("reject", func(a *nfnetlink.Attrs) { a.Uint32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_TCP_RST) })
}

// RejectProhibited drops the packet and answers that it is administratively prohibited, with the ICMP of the packet's family.
func (e *Exprs) RejectProhibited() {
	e.expr("reject", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_ICMPX_UNREACH)
		a.Bytes(unix.NFTA_REJECT_ICMP_CODE, []byte{unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED})
	})
}

// Verdict ends the rule.
func (e *Exprs) Verdict(v Verdict) {
	e.expr("immediate", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		data := a.Open(unix.NFTA_IMMEDIATE_DATA)
		appendVerdict(a, v)
		a.Close(data)
	})
}

// Verdict is what happens to a packet. The zero value drops it.
type Verdict struct {
	Code  VerdictCode
	Chain string // VerdictJump and VerdictGoto
}

// VerdictCode is the kind of a verdict (enum nft_verdicts and the netfilter verdicts), as the kernel writes it.
type VerdictCode int32

// The codes.
const (
	VerdictDrop   VerdictCode = 0
	VerdictAccept VerdictCode = 1
	VerdictJump   VerdictCode = unix.NFT_JUMP
	VerdictGoto   VerdictCode = unix.NFT_GOTO
	VerdictReturn VerdictCode = unix.NFT_RETURN
)

func appendVerdict(a *nfnetlink.Attrs, v Verdict) {
	at := a.Open(unix.NFTA_DATA_VERDICT)
	a.Uint32(unix.NFTA_VERDICT_CODE, uint32(v.Code))
	if v.Chain != "" {
		a.String(unix.NFTA_VERDICT_CHAIN, v.Chain)
	}
	a.Close(at)
}

func parseVerdict(b []byte) Verdict {
	b = nfnetlink.Attr(b, unix.NFTA_DATA_VERDICT)
	return Verdict{
		Code:  VerdictCode(nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_VERDICT_CODE))),
		Chain: nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_VERDICT_CHAIN)),
	}
}

// appendValue appends a data value, nested as nf_tables wants it.
func appendValue(a *nfnetlink.Attrs, typ uint16, v []byte) {
	at := a.Open(typ)
	a.Bytes(unix.NFTA_DATA_VALUE, v)
	a.Close(at)
}

// zeroCounters clears the counts in a dumped expression list and returns their sum.
func zeroCounters(exprs []byte) (packets, bytes uint64) {
	for _, e := range nfnetlink.Each(exprs) {
		if nfnetlink.String(nfnetlink.Attr(e, unix.NFTA_EXPR_NAME)) != "counter" {
			continue
		}
		data := nfnetlink.Attr(e, unix.NFTA_EXPR_DATA)
		for typ, v := range nfnetlink.Each(data) {
			if len(v) != 8 {
				continue
			}
			switch typ {
			case unix.NFTA_COUNTER_PACKETS:
				packets += nfnetlink.Uint64(v)
			case unix.NFTA_COUNTER_BYTES:
				bytes += nfnetlink.Uint64(v)
			}
			binary.BigEndian.PutUint64(v, 0)
		}
	}
	return packets, bytes
}

// hideFlags makes the flags of header expressions in a dumped list what the kernel ignores: it always tells them and takes none where it writes.
func hideFlags(exprs []byte) {
	for _, e := range nfnetlink.Each(exprs) {
		if nfnetlink.String(nfnetlink.Attr(e, unix.NFTA_EXPR_NAME)) != "exthdr" {
			continue
		}
		data, at := nfnetlink.Attr(e, unix.NFTA_EXPR_DATA), 0
		for typ, v := range nfnetlink.Each(data) {
			if typ == nftaExthdrFlags {
				binary.NativeEndian.PutUint16(data[at+2:], nftaExthdrHidden)
			}
			at += unix.SizeofNlAttr + (len(v)+3)&^3
		}
	}
}

func flag(on bool, value uint32) uint32 {
	if on {
		return value
	}
	return 0
}

// Constants that x/sys/unix lacks.
const (
	nftaBitwiseOp    = 6
	nftaExthdrHidden = 0 // NFTA_EXTHDR_UNSPEC, see hideFlags
	nftaExthdrFlags  = 5
	nftaExthdrOp     = 6
	nftaExthdrSreg   = 7
	nftExthdrOpTCP   = 1
	nftLookupInvert  = 1
	logWarning       = 4
	nftaSetElemEnd   = 10 // NFTA_SET_ELEM_KEY_END
	nftSetConcat     = 0x80
	nftaSetDescField = 2 // NFTA_SET_DESC_CONCAT
	nftaSetFieldLen  = 1
	nftDataVerdict   = 0xffffff00
)
