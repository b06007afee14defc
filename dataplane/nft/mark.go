// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/weftnet/weft/sys/nft"
)

// setMark sets bits of the packet mark; clearMark clears them.
type (
	setMark   uint32
	clearMark uint32
)

func (s setMark) String() string { return fmt.Sprintf("meta mark set meta mark | 0x%08x", uint32(s)) }

func (s setMark) encode(e *nft.Exprs) { changeMark(e, ^uint32(s), uint32(s)) }

func (s clearMark) String() string {
	return fmt.Sprintf("meta mark set meta mark & 0x%08x", ^uint32(s))
}

func (s clearMark) encode(e *nft.Exprs) { changeMark(e, ^uint32(s), 0) }

func changeMark(e *nft.Exprs, keep, set uint32) {
	e.Meta(nft.MetaMark, 0)
	e.Bits(0, native32(keep), native32(set))
	e.SetMeta(nft.MetaMark, 0)
}

// marked tests bits of the packet mark: all of them are set, or with not, none.
type marked struct {
	bits uint32
	not  bool
}

func (s marked) want() uint32 {
	if s.not {
		return 0
	}
	return s.bits
}

func (s marked) String() string { return fmt.Sprintf("meta mark & 0x%08x == 0x%08x", s.bits, s.want()) }

func (s marked) encode(e *nft.Exprs) {
	e.Meta(nft.MetaMark, 0)
	e.Mask(0, native32(s.bits))
	e.Cmp(nft.CmpEq, 0, native32(s.want()))
}

// translated tests for connections whose destination is translated.
type translated struct{}

func (translated) String() string { return "ct status dnat" }

func (translated) encode(e *nft.Exprs) {
	const dnat = 1 << 5 // IPS_DST_NAT
	e.CtStatus(0)
	e.Mask(0, native32(dnat))
	e.Cmp(nft.CmpNeq, 0, make([]byte, 4))
}

// notrack leaves a packet out of connection tracking.
type notrack struct{}

func (notrack) String() string      { return "notrack" }
func (notrack) encode(e *nft.Exprs) { e.Notrack() }

func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
