// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
)

// IP protocol numbers (IANA) that have a meaning of their own here.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoICMPv6 = 58
)

// Service is what a flow asks of its destination.
type Service struct {
	// Protocol is an IP protocol number, 0 if not stated. ICMP stands for ICMPv6 where the addresses are IPv6.
	Protocol uint8
	// Port is 0 if not stated, or if PortName is.
	Port     uint16
	PortName string
	// Type and Code are those of an ICMP message; Type nil means an echo request.
	Type, Code *uint8
}

// ParseDestination reads "DST", "DST:PORT", "DST:PORT/PROTOCOL", "DST:/PROTOCOL" or "DST:icmp[:TYPE[/CODE]]", where DST may be an IPv6 address in
// brackets and PORT a name that the destination declares. The name of the destination comes back as it is.
func ParseDestination(text string) (name string, s Service, err error) {
	name, rest, given := splitDestination(text)
	switch {
	case !given:
		return name, s, nil
	case rest == "":
		return "", s, fmt.Errorf("%q: a port, or a protocol after '/', should follow the last ':'", text)
	}
	if s, err = parseService(rest); err != nil {
		return "", s, fmt.Errorf("%q: %w", text, err)
	}
	return name, s, nil
}

// splitDestination cuts the service off.
func splitDestination(text string) (name, rest string, given bool) {
	if inner, after, found := strings.Cut(strings.TrimPrefix(text, "["), "]"); found && strings.HasPrefix(text, "[") {
		if rest, given = strings.CutPrefix(after, ":"); !given {
			rest = "" // what follows the bracket is no service
		}
		return inner, rest, after != ""
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return text, "", false // the colons are those of an IPv6 address
	}
	return strings.Cut(text, ":")
}

func parseService(text string) (Service, error) {
	if first, rest, _ := strings.Cut(text, ":"); strings.EqualFold(first, "icmp") || strings.EqualFold(first, "icmpv6") {
		return parseICMP(first, rest)
	}
	port, protocol, given := strings.Cut(text, "/")
	var s Service
	if given {
		number, err := v3.ProtocolNumber(intstr.FromString(protocol))
		if err != nil {
			return s, err
		}
		s.Protocol = number
	}
	if port == "" {
		return s, nil
	}
	if given && !v3.HasPorts(s.Protocol) {
		return s, fmt.Errorf("%s has no ports that rules can match; leave out %q", v3.ProtocolName(s.Protocol), port)
	}
	first, last, named, err := v3.ParsePort(intstr.FromString(port))
	switch {
	case err != nil:
		return s, err
	case first != last:
		return s, fmt.Errorf("%q are several ports; ask about one, or leave the port out to see all that differ", port)
	}
	s.Port, s.PortName = first, named
	return s, nil
}

// parseICMP reads TYPE or TYPE/CODE, both numbers.
func parseICMP(protocol, text string) (Service, error) {
	s := Service{Protocol: protoICMP}
	if strings.EqualFold(protocol, "icmpv6") {
		s.Protocol = protoICMPv6
	}
	if text == "" {
		return s, nil
	}
	kind, code, given := strings.Cut(text, "/")
	number, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return s, fmt.Errorf("%q is no ICMP type; write a number 0-255, and after '/' a code, as in icmp:8/0", kind)
	}
	s.Type = new(uint8(number))
	if given {
		if number, err = strconv.ParseUint(code, 10, 8); err != nil {
			return s, fmt.Errorf("%q is no ICMP code; write a number 0-255", code)
		}
		s.Code = new(uint8(number))
	}
	return s, nil
}
