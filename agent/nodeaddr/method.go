// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nodeaddr

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Method is how the operator wants the address to be found (Calico's IP_AUTODETECTION_METHOD). The zero value leaves it to the kernel's own
// choice of source address.
type Method struct {
	kind       methodKind
	argument   string
	interfaces []*regexp.Regexp
	cidrs      []netip.Prefix
}

type methodKind string

const (
	kernelChoice   methodKind = ""
	firstFound     methodKind = "first-found"
	kubernetesNode methodKind = "kubernetes-internal-ip"
	canReach       methodKind = "can-reach"
	onInterface    methodKind = "interface"
	notOnInterface methodKind = "skip-interface"
	inCIDR         methodKind = "cidr"
)

// methods are all that can be written, for error messages.
const methods = "first-found, kubernetes-internal-ip, can-reach=DESTINATION, interface=REGEXP,…, skip-interface=REGEXP,… or cidr=CIDR,…"

// ParseMethod reads a method as Calico writes it. Regular expressions of interface names need to match a whole name.
func ParseMethod(text string) (Method, error) {
	name, argument, hasArgument := strings.Cut(text, "=")
	m := Method{kind: methodKind(name), argument: argument}
	switch m.kind {
	case kernelChoice, firstFound, kubernetesNode:
		if hasArgument {
			return Method{}, fmt.Errorf("address detection %q: %s takes no value; write one of %s", text, name, methods)
		}
		return m, nil
	case canReach, onInterface, notOnInterface, inCIDR:
		if argument == "" {
			return Method{}, fmt.Errorf("address detection %q: %s needs a value; write one of %s", text, name, methods)
		}
	default:
		return Method{}, fmt.Errorf("address detection %q is not known; write one of %s", text, methods)
	}
	if err := m.parseArgument(); err != nil {
		return Method{}, fmt.Errorf("address detection %q: %w", text, err)
	}
	return m, nil
}

func (m *Method) parseArgument() error {
	if m.kind == canReach {
		return nil // a host name is as good as an address
	}
	for part := range strings.SplitSeq(m.argument, ",") {
		if m.kind == inCIDR {
			p, err := netip.ParsePrefix(strings.TrimSpace(part))
			if err != nil {
				return fmt.Errorf("%q is no CIDR; write 192.0.2.0/24", part)
			}
			m.cidrs = append(m.cidrs, p.Masked())
			continue
		}
		re, err := regexp.Compile("^(?:" + strings.TrimSpace(part) + ")$")
		if err != nil {
			return fmt.Errorf("%q is no regular expression of interface names: %w", part, err)
		}
		m.interfaces = append(m.interfaces, re)
	}
	return nil
}

// Target is the destination of can-reach, "" with other methods: the facts need the kernel's source address towards it.
func (m Method) Target() string {
	if m.kind == canReach {
		return m.argument
	}
	return ""
}

// String returns the method as it was written.
func (m Method) String() string {
	if m.argument == "" {
		return string(m.kind)
	}
	return string(m.kind) + "=" + m.argument
}

// narrow returns the candidates that the method allows, in the order of its preference, and why the others are not.
func (m Method) narrow(usable []Candidate) (eligible []Candidate, rejected []string) {
	place := func(c Candidate) int { // -1: not allowed
		switch m.kind {
		case onInterface:
			return slices.IndexFunc(m.interfaces, func(re *regexp.Regexp) bool { return re.MatchString(c.Interface) })
		case notOnInterface:
			if slices.ContainsFunc(m.interfaces, func(re *regexp.Regexp) bool { return re.MatchString(c.Interface) }) {
				return -1
			}
		case inCIDR:
			return slices.IndexFunc(m.cidrs, func(p netip.Prefix) bool { return p.Contains(c.Prefix.Addr()) })
		}
		return 0
	}
	for _, c := range usable {
		if place(c) < 0 {
			rejected = append(rejected, fmt.Sprintf("%s on %s: not by %s", c.Prefix, c.Interface, m))
			continue
		}
		eligible = append(eligible, c)
	}
	slices.SortStableFunc(eligible, func(a, b Candidate) int { return place(a) - place(b) })
	return eligible, rejected
}
