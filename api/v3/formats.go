// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/internal/near"
)

// textFormats holds the checks of texts behind format tags. "selector" and "anyCase" are handled by the checker itself.
var textFormats = map[string]func(string) error{
	"net":       func(s string) error { return drop(ParseCIDR(s)) },
	"cidr":      strictCIDR,
	"ip":        func(s string) error { return drop(ParseIP(s)) },
	"ip4":       family(netip.Addr.Is4, "an IPv4 address"),
	"ip6":       family(netip.Addr.Is6, "an IPv6 address"),
	"ipSubnet":  func(s string) error { return drop(ParseInterfaceCIDR(s)) },
	"peerIP":    func(s string) error { _, _, err := ParsePeerIP(s); return err },
	"clusterID": func(s string) error { return drop(ParseClusterID(s)) },
	"mac":       macAddress,
	"wgKey":     func(s string) error { return drop(ParseWireGuardKey(s)) },
	"regex":     regularExpression,
	"community": community,
	"interface": interfaceName,
	"portName":  matching(isPortName, "a port name; write letters, digits, '.', '_' and '-'"),
	"hostCIDR":  hostCIDR,
	"rate":      matching(ratePattern.MatchString, "a rate; write one as in 10/second (or minute, hour, day), up to 9999"),
	"keyValues": matching(switchesPattern.MatchString, "a list of switches; write name=true,other=false"),
	"gates":     matching(gatesPattern.MatchString, "a list of settings; write name=value,other=value"),
	"logPrefix": matching(logPrefixPattern.MatchString, "a log prefix; write letters, digits, '_', '-', '/', ':', '%' and spaces"),
	"dnsLabel":  matching(dnsLabel.MatchString, "a DNS label; write lower-case letters, digits and '-', at most 63"),
	"timeout":   timeout,
}

// formats holds the checks of values that are no texts.
var formats = map[string]func(any) error{
	"as":        asNumber,
	"portRange": portRange,
	"protocol":  func(v any) error { return drop(ProtocolNumber(v.(intstr.IntOrString))) },
	"port":      func(v any) error { _, _, _, err := ParsePort(v.(intstr.IntOrString)); return err },
}

var (
	ratePattern      = regexp.MustCompile(`^[1-9]\d{0,3}/(second|minute|hour|day)$`)
	switchesPattern  = regexp.MustCompile(`^([A-Za-z0-9_-]+=(true|false)?,)*([A-Za-z0-9_-]+=(true|false)?)?$`)
	gatesPattern     = regexp.MustCompile(`^([A-Za-z0-9_-]+=[^=,]+,)*([A-Za-z0-9_-]+=[^=,]+)?$`)
	logPrefixPattern = regexp.MustCompile(`^[a-zA-Z0-9%: /_-]*$`)
	dnsLabel         = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// textOf is a value as a text check sees it.
func textOf(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return fmt.Sprint(v.Interface())
}

// drop keeps only the error of a parser.
func drop[T any](_ T, err error) error { return err }

func strictCIDR(s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return fmt.Errorf("%q is no CIDR; write one as in 10.65.0.0/16 or fd00:65::/48", s)
	}
	if p != p.Masked() {
		return fmt.Errorf("%s has host bits set; write %s", s, p.Masked())
	}
	return nil
}

// hostCIDR accepts addresses with the full prefix length.
func hostCIDR(s string) error {
	p, err := ParseCIDR(s)
	if err != nil {
		return err
	}
	if !p.IsSingleIP() {
		return fmt.Errorf("%s holds more than one address; write /32 or /128", s)
	}
	return nil
}

// community accepts two numbers of 16 bits (RFC 1997) or three of 32 (RFC 8092).
func community(s string) error {
	parts := strings.Split(s, ":")
	bits := map[int]int{2: 16, 3: 32}[len(parts)]
	for _, part := range parts {
		if _, err := strconv.ParseUint(part, 10, bits); bits == 0 || err != nil {
			return fmt.Errorf("%q is no BGP community; write aa:nn (each to 65535), or aa:nn:mm for a large one", s)
		}
	}
	return nil
}

const maxInterface = 15

// interfaceName accepts what the kernel accepts as a device name (dev_valid_name): IFNAMSIZ is 16 with the final zero byte.
func interfaceName(s string) error {
	if n := utf8.RuneCountInString(s); n == 0 || n > maxInterface || strings.ContainsAny(s, "\t\n\f\r /") || s == "." || s == ".." {
		return fmt.Errorf("%q is no interface name; write 1 to 15 characters without white space or '/'", s)
	}
	return nil
}

func timeout(s string) error {
	if _, err := time.ParseDuration(s); err != nil && s != "Auto" {
		return fmt.Errorf("%q is no time-out; write a duration as in 20s, or Auto", s)
	}
	return nil
}

// portRange accepts a rule's numeric ports, and 0 for "no limit".
func portRange(v any) error {
	p := v.(intstr.IntOrString)
	if p.String() == "0" {
		return nil
	}
	_, _, name, err := ParsePort(p)
	if err == nil && name != "" {
		err = fmt.Errorf("%q is no range of ports; write one as in 32768:65535", name)
	}
	return err
}

func family(is func(netip.Addr) bool, what string) func(string) error {
	return func(s string) error {
		if addr, err := ParseIP(s); err != nil || !is(addr) {
			return fmt.Errorf("%q is not %s", s, what)
		}
		return nil
	}
}

// ParseWireGuardKey reads a public key of WireGuard (RFC 7748) in base64.
func ParseWireGuardKey(s string) (key [32]byte, err error) {
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(data) != len(key) || [32]byte(data) == key {
		return key, fmt.Errorf("%q is no WireGuard key; write 32 bytes in base64, as `wg pubkey` does", s)
	}
	return [32]byte(data), nil
}

func macAddress(s string) error {
	if mac, err := net.ParseMAC(s); err != nil || len(mac) != 6 {
		return fmt.Errorf("%q is no MAC address; write one as in ee:ee:ee:ee:ee:ee", s)
	}
	return nil
}

func regularExpression(s string) error {
	if _, err := regexp.Compile(s); err != nil {
		return fmt.Errorf("no regular expression: %w", err)
	}
	return nil
}

func matching(accepts func(string) bool, what string) func(string) error {
	return func(s string) error {
		if !accepts(s) {
			return fmt.Errorf("%q is not %s", s, what)
		}
		return nil
	}
}

func asNumber(v any) error {
	if v.(ASNumber).Value == 0 {
		return fmt.Errorf("0 is no AS number (RFC 7607); write 1 to 4294967295")
	}
	return nil
}

// suggest appends the nearest choice to an error text.
func suggest(text string, choices []string) string {
	if best := near.Best(text, slices.Values(choices)); best != "" && len(choices) > 3 {
		return "; did you mean " + best + "?"
	}
	return ""
}
