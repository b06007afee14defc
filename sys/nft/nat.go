// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Ports are the registers of the first and last port that a translation may choose. In use both are beside 0.
type Ports struct{ Min, Max Reg }

// flags of a translation (NF_NAT_RANGE_*): the address is given, ports are given, ports are chosen at random.
const (
	natMapIPs         = 1
	natProtoSpecified = 2
	natRandomFully    = 16
)

// DstNAT gives the connection the destination address in addr, and with ports the destination port. The family is NFPROTO_IPV4 or NFPROTO_IPV6.
func (e *Exprs) DstNAT(family byte, addr Reg, ports *Ports) {
	e.nat(unix.NFT_NAT_DNAT, family, addr, ports, natMapIPs)
}

// SrcNAT gives the connection the source address in addr, and a source port at random, with ports one of those.
func (e *Exprs) SrcNAT(family byte, addr Reg, ports *Ports) {
	e.nat(unix.NFT_NAT_SNAT, family, addr, ports, natMapIPs|natRandomFully)
}

func (e *Exprs) nat(typ uint32, family byte, addr Reg, ports *Ports, flags uint32) {
	e.expr("nat", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_NAT_TYPE, typ)
		a.Uint32(unix.NFTA_NAT_FAMILY, uint32(family))
		a.Uint32(unix.NFTA_NAT_REG_ADDR_MIN, addr.number())
		a.Uint32(unix.NFTA_NAT_REG_ADDR_MAX, addr.number())
		if ports != nil {
			a.Uint32(unix.NFTA_NAT_REG_PROTO_MIN, ports.Min.number())
			a.Uint32(unix.NFTA_NAT_REG_PROTO_MAX, ports.Max.number())
			flags |= natProtoSpecified
		}
		a.Uint32(unix.NFTA_NAT_FLAGS, flags)
	})
}

// Masquerade gives the connection the source address of the interface that it leaves by, and a source port at random, with ports one of those.
func (e *Exprs) Masquerade(ports *Ports) {
	e.expr("masq", func(a *nfnetlink.Attrs) {
		flags := uint32(natRandomFully)
		if ports != nil {
			flags |= natProtoSpecified
		}
		a.Uint32(unix.NFTA_MASQ_FLAGS, flags)
		if ports != nil {
			a.Uint32(unix.NFTA_MASQ_REG_PROTO_MIN, ports.Min.number())
			a.Uint32(unix.NFTA_MASQ_REG_PROTO_MAX, ports.Max.number())
		}
	})
}

// Load puts a value into a register.
func (e *Exprs) Load(dst Reg, value []byte) {
	e.expr("immediate", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_IMMEDIATE_DREG, dst.number())
		appendValue(a, unix.NFTA_IMMEDIATE_DATA, value)
	})
}

// RouteType loads the type of the route to the packet's destination address: RTN_LOCAL for the host's own addresses, in host byte order.
func (e *Exprs) RouteType(dst Reg) {
	e.expr("fib", func(a *nfnetlink.Attrs) {
		a.Uint32(unix.NFTA_FIB_DREG, dst.number())
		a.Uint32(unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE)
		a.Uint32(unix.NFTA_FIB_FLAGS, unix.NFTA_FIB_F_DADDR)
	})
}
