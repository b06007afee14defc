// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/weftnet/weft/sys/nft"
)

// dnat gives a connection the destination that a map holds for some fields of its first packet.
type dnat struct {
	fam    *family
	fields []*field
	set    *nft.Set
}

func (s dnat) String() string {
	return fmt.Sprintf("dnat %s to %s map @%s", s.fam.word(), joined(s.fields), s.set.Name)
}

func (s dnat) encode(e *nft.Exprs) {
	loadAll(e, s.fields)
	e.LookupData(0, s.set.Name, 0)
	var ports *nft.Ports
	if len(s.set.Data) > 1 {
		behind := nft.Reg(s.fam.addr.Len / 4)
		ports = &nft.Ports{Min: behind, Max: behind}
	}
	e.DstNAT(s.fam.nfproto, 0, ports)
}

// masquerade gives a connection the source address of the interface that it leaves by, and a source port at random.
type masquerade struct {
	min, max uint16 // the ports to choose from; 0: all
}

func (s masquerade) String() string {
	if s.min == 0 {
		return "masquerade fully-random"
	}
	return fmt.Sprintf("masquerade to :%d-%d fully-random", s.min, s.max)
}

func (s masquerade) encode(e *nft.Exprs) { e.Masquerade(s.load(e, 0)) }

// load puts the ports into registers; nil: all.
func (s masquerade) load(e *nft.Exprs, at nft.Reg) *nft.Ports {
	if s.min == 0 {
		return nil
	}
	e.Load(at, be16(s.min))
	e.Load(at+1, be16(s.max))
	return &nft.Ports{Min: at, Max: at + 1}
}

// snat is masquerade with an IPv4 address of its own.
type snat struct {
	masquerade
	addr netip.Addr
}

func (s snat) String() string {
	ports := ""
	if s.min != 0 {
		ports = fmt.Sprintf(":%d-%d", s.min, s.max)
	}
	return fmt.Sprintf("snat %s to %s%s fully-random", ipv4.word(), s.addr, ports)
}

func (s snat) encode(e *nft.Exprs) {
	e.Load(0, s.addr.AsSlice())
	e.SrcNAT(ipv4.nfproto, 0, s.load(e, 1))
}

// toHostAddr tests for packets to an address of the host.
type toHostAddr struct{}

func (toHostAddr) String() string { return "fib daddr type local" }

func (toHostAddr) encode(e *nft.Exprs) {
	const local = 2 // RTN_LOCAL
	e.RouteType(0)
	e.Cmp(nft.CmpEq, 0, native32(local))
}

// interfaceIs compares an interface name; with a + at the end, its start.
func interfaceIs(f *field, not bool, name string) stmt {
	if prefix, ok := strings.CutSuffix(name, "+"); ok {
		return named{f, not, prefix}
	}
	return is{f: f, not: not, value: ifname(name)}
}
