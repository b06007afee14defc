// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"net/netip"

	"github.com/weftnet/weft/desired"
)

// family is IPv4 or IPv6: everything that rendering needs to know about it.
type family struct {
	tag     string // in names
	v6      bool
	version uint8
	icmp    uint8  // protocol number
	icmpOpt string // of a type
	icmpMod string
	reject  string

	loopback string
}

var (
	ipv4 = &family{tag: "4", version: 4, icmp: protoICMP, icmpMod: "icmp", icmpOpt: "--icmp-type", reject: "icmp-port-unreachable", loopback: "127.0.0.0/8"}
	ipv6 = &family{tag: "6", version: 6, v6: true, icmp: protoICMPv6, icmpMod: "icmp6", icmpOpt: "--icmpv6-type", reject: "icmp6-port-unreachable", loopback: "::1/128"}

	families = [...]*family{ipv4, ipv6}
)

// answer is the target that rejects packets.
func (f *family) answer() string { return "-j REJECT --reject-with " + f.reject }

// IP protocol numbers.
const (
	protoICMP    = 1
	protoIPIP    = 4
	protoTCP     = 6
	protoUDP     = 17
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
)

func familyOf(a netip.Addr) *family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// ofFamily returns the prefixes of one family, without host bits.
func ofFamily(prefixes []netip.Prefix, f *family) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		if familyOf(p.Addr()) == f {
			out = append(out, p.Masked())
		}
	}
	return out
}

func hasFamily(e *desired.Endpoint, f *family) bool {
	for _, a := range e.Addrs {
		if familyOf(a) == f {
			return true
		}
	}
	return len(ofFamily(e.SpoofPrefixes, f)) > 0
}

// halves returns a prefix, or the two halves of the one of all addresses, which the kernel's sets do not take.
func halves(p netip.Prefix) []netip.Prefix {
	if p.Bits() > 0 {
		return []netip.Prefix{p.Masked()}
	}
	upper := p.Addr().AsSlice()
	clear(upper)
	lower, _ := netip.AddrFromSlice(upper)
	upper[0] = 0x80
	high, _ := netip.AddrFromSlice(upper)
	return []netip.Prefix{netip.PrefixFrom(lower, 1), netip.PrefixFrom(high, 1)}
}
