// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weftnet/weft/sys/nft"
)

// field is something of a packet that can be compared.
type field struct {
	text string
	kind nft.Field
	// network fields exist in one family only.
	network bool
	load    func(e *nft.Exprs, length int, r nft.Reg)
}

var (
	iifname = metaField("iifname", nft.MetaIifname, nft.FieldIfname)
	oifname = metaField("oifname", nft.MetaOifname, nft.FieldIfname)
	nfproto = metaField("meta nfproto", nft.MetaNfproto, nft.Field{Type: typeNfproto, Len: 1})
	l4proto = metaField("meta l4proto", nft.MetaL4proto, nft.FieldProto)
	oif     = metaField("oif", nft.MetaOif, nft.Field{Type: typeIfindex, Len: 4})

	sport  = transportField("th sport", 0, nft.FieldPort)
	dport  = transportField("th dport", 2, nft.FieldPort)
	icmp4  = transportField("icmp type", 0, nft.Field{Type: 14, Len: 1})
	icmp6  = transportField("icmpv6 type", 0, nft.FieldICMPv6)
	icmpTC = transportField("@th,0,16", 0, nft.Field{Type: 4, Len: 2}) // type and code together
)

func metaField(text string, key nft.MetaKey, kind nft.Field) *field {
	return &field{text: text, kind: kind, load: func(e *nft.Exprs, _ int, r nft.Reg) { e.Meta(key, r) }}
}

func transportField(text string, offset uint32, kind nft.Field) *field {
	return &field{text: text, kind: kind, load: func(e *nft.Exprs, length int, r nft.Reg) {
		e.Payload(nft.TransportHeader, offset, uint32(length), r)
	}}
}

func addrField(text string, offset uint32, kind nft.Field) *field {
	return &field{text: text, kind: kind, network: true, load: func(e *nft.Exprs, length int, r nft.Reg) {
		e.Payload(nft.NetworkHeader, offset, uint32(length), r)
	}}
}

// Numbers of data types that occur in no set.
const (
	typeNfproto = 2
	typeIfindex = 20
)

// typeNames are the names of key types in the nft tool's language.
var typeNames = map[uint32]string{
	nft.FieldIPv4.Type: "ipv4_addr", nft.FieldIPv6.Type: "ipv6_addr", nft.FieldProto.Type: "inet_proto",
	nft.FieldPort.Type: "inet_service", nft.FieldICMPv6.Type: "icmpv6_type", nft.FieldIfname.Type: "ifname",
}

// show prints a value as the nft tool's language has it.
func show(kind nft.Field, v []byte) string {
	switch kind.Type {
	case nft.FieldIPv4.Type, nft.FieldIPv6.Type:
		if a, ok := netip.AddrFromSlice(v); ok {
			return a.String()
		}
	case nft.FieldIfname.Type:
		return strconv.Quote(strings.TrimRight(string(v), "\x00"))
	case nft.FieldProto.Type:
		return cmp.Or(protocolNames[v[0]], strconv.Itoa(int(v[0])))
	case typeNfproto:
		return familyNames[v[0]]
	case typeIfindex:
		return strconv.Itoa(int(binary.NativeEndian.Uint32(v)))
	case nft.FieldPort.Type:
		return strconv.Itoa(int(binary.BigEndian.Uint16(v)))
	}
	if len(v) == 1 {
		return strconv.Itoa(int(v[0]))
	}
	return fmt.Sprintf("0x%x", v)
}

var (
	protocolNames = map[byte]string{protoICMP: "icmp", protoTCP: "tcp", protoUDP: "udp", protoICMPv6: "ipv6-icmp", protoSCTP: "sctp"}
	familyNames   = map[byte]string{2: "ipv4", 10: "ipv6"}
)

// ctStates are the conntrack state bits (NF_CT_STATE_BIT).
var ctStates = map[uint32]string{ctInvalid: "invalid", ctEstablished: "established", ctRelated: "related", ctNew: "new"}

const (
	ctInvalid     = 1
	ctEstablished = 2
	ctRelated     = 4
	ctNew         = 8
)

// ifname is an interface name as a set key holds it.
func ifname(name string) []byte {
	out := make([]byte, nft.FieldIfname.Len)
	copy(out, name)
	return out
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
