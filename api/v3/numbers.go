// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// protocols are the protocols that have a name in the API, with their numbers (IANA protocol numbers).
var protocols = []struct {
	name   string
	number uint8
}{
	{"TCP", 6}, {"UDP", 17}, {"ICMP", 1}, {"ICMPv6", 58}, {"SCTP", 132}, {"UDPLite", 136},
}

// ProtocolNumber returns the IP protocol number of a name (in any case) or a number 1-255, written as such or as text.
func ProtocolNumber(p intstr.IntOrString) (uint8, error) {
	for _, known := range protocols {
		if p.Type == intstr.String && strings.EqualFold(known.name, p.StrVal) {
			return known.number, nil
		}
	}
	n, err := strconv.ParseUint(p.String(), 10, 8)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no protocol; write TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number 1-255", p.String())
	}
	return uint8(n), nil
}

// ProtocolName returns the API's name of a protocol, or its number as text if it has none.
func ProtocolName(number uint8) string {
	for _, known := range protocols {
		if known.number == number {
			return known.name
		}
	}
	return strconv.Itoa(int(number))
}

// HasPorts reports whether the protocol has port numbers that rules can match: TCP, UDP and SCTP.
func HasPorts(number uint8) bool { return number == 6 || number == 17 || number == 132 }

// ParsePort reads a port of a rule: 80 or "80" (both ends 80), "1000:2000", or the name of an endpoint's port, in which case the
// ends are 0. Ports are 1-65535.
func ParsePort(p intstr.IntOrString) (first, last uint16, name string, err error) {
	text := p.String()
	from, to, isRange := strings.Cut(text, ":")
	if !isRange {
		to = from
	}
	if isRange || strings.Trim(text, "-0123456789") == "" {
		if first, err = portNumber(from); err != nil {
			return 0, 0, "", err
		}
		if last, err = portNumber(to); err != nil {
			return 0, 0, "", err
		}
		if last < first {
			return 0, 0, "", fmt.Errorf("port range %q runs backwards; write %d:%d", text, last, first)
		}
		return first, last, "", nil
	}
	if !isPortName(text) {
		return 0, 0, "", fmt.Errorf("%q is no port; write a number 1-65535, a range as in 1000:2000, or a port name (letters, digits, '.', '_', '-')", text)
	}
	return 0, 0, text, nil
}

func portNumber(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port number; ports are 1-65535", text)
	}
	return uint16(n), nil
}

// ParseCIDR reads a CIDR, or a bare address as its /32 or /128. Host bits are cleared.
func ParseCIDR(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		if addr, err := ParseIP(text); err == nil {
			return netip.PrefixFrom(addr, addr.BitLen()), nil
		}
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is no CIDR; write one as in 10.65.0.0/16 or fd00:65::/48", text)
	}
	return p.Masked(), nil
}

// ParseKubeCIDR reads a CIDR of a Kubernetes policy, where a bare address is none. Host bits are cleared.
func ParseKubeCIDR(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		return netip.Prefix{}, fmt.Errorf("%q is no CIDR; write one as in 10.65.0.0/16 or fd00:65::/48", text)
	}
	return ParseCIDR(text)
}

// ParseIP reads an address without zone.
func ParseIP(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return netip.Addr{}, fmt.Errorf("%q is no IP address; write one as in 10.65.0.1 or fd00:65::1", text)
	}
	return addr, nil
}

// ParseInterfaceCIDR reads an interface's address with its subnet, "192.0.2.7/24"; the host bits are kept. A bare
// address is read as /32 or /128.
func ParseInterfaceCIDR(text string) (netip.Prefix, error) {
	var p netip.Prefix
	var err error
	if strings.Contains(text, "/") { // a node has two addresses and more, and errors are dear
		p, err = netip.ParsePrefix(text)
	} else {
		var addr netip.Addr
		addr, err = ParseIP(text)
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is no address with its subnet; write one as in 192.0.2.7/24 or 2001:db8::7/64", text)
	}
	return p, nil
}

// DefaultBGPPort is the TCP port of BGP (RFC 4271).
const DefaultBGPPort = 179

// ParsePeerIP reads the peerIP of a BGPPeer: "192.0.2.1", "192.0.2.1:1790", "2001:db8::1" or "[2001:db8::1]:1790".
// The port is 0 when none is given.
func ParsePeerIP(text string) (netip.Addr, uint16, error) {
	if addr, err := ParseIP(text); err == nil {
		return addr, 0, nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return netip.Addr{}, 0, fmt.Errorf("%q is no peer address; write an address, or address and port as in 192.0.2.1:179 or [2001:db8::1]:179", text)
	}
	return ap.Addr(), ap.Port(), nil
}

// ParseClusterID reads a route reflector cluster id (RFC 4456): a dotted quad other than 0.0.0.0.
func ParseClusterID(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is4() || addr.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("%q is no cluster ID; write a dotted quad other than 0.0.0.0, as in 244.0.0.1", text)
	}
	return addr, nil
}
