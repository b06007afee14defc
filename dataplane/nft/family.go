// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"net/netip"

	"github.com/weftnet/weft/sys/nft"
)

// family is IPv4 or IPv6: everything that rendering needs to know about it.
type family struct {
	tag     string // ends names
	version uint8
	bits    int
	nfproto byte // NFPROTO_*
	icmp    byte // protocol number
	addr    nft.Field
	saddr   *field
	daddr   *field

	loopback netip.Prefix
}

var (
	ipv4 = &family{tag: "4", version: 4, bits: 32, nfproto: 2, icmp: protoICMP, addr: nft.FieldIPv4, saddr: addrField("ip saddr", 12, nft.FieldIPv4), daddr: addrField("ip daddr", 16, nft.FieldIPv4), loopback: netip.MustParsePrefix("127.0.0.0/8")}
	ipv6 = &family{tag: "6", version: 6, bits: 128, nfproto: 10, icmp: protoICMPv6, addr: nft.FieldIPv6, saddr: addrField("ip6 saddr", 8, nft.FieldIPv6), daddr: addrField("ip6 daddr", 24, nft.FieldIPv6), loopback: netip.MustParsePrefix("::1/128")}

	families = [...]*family{ipv4, ipv6}
)

// IP protocol numbers.
const (
	protoICMP   = 1
	protoIPIP   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// index is the family's place in families.
func (f *family) index() int {
	if f == ipv4 {
		return 0
	}
	return 1
}

func familyOf(a netip.Addr) *family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// ofFamily returns the prefixes of one family.
func ofFamily(prefixes []netip.Prefix, f *family) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		if familyOf(p.Addr()) == f {
			out = append(out, p)
		}
	}
	return out
}

func (f *family) String() string { return "ipv" + f.tag }

// is tests for packets of the family.
func (f *family) is() stmt { return is{f: nfproto, value: []byte{f.nfproto}} }

// word is the nft tool's name for the family.
func (f *family) word() string {
	if f == ipv4 {
		return "ip"
	}
	return "ip6"
}

// linkLocalSources are the sources of packets that a workload sends before it has an address, or about its link.
var linkLocalSources = []netip.Prefix{netip.MustParsePrefix("::/128"), netip.MustParsePrefix("fe80::/10")}
