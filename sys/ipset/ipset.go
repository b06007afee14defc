// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package ipset programs the kernel's IP sets over netlink: Open a [Conn], collect changes in a [Batch], Commit it, list what there is.
//
// The encoder is our own: a change of one member is one small message, and a hundred thousand members travel in a few large ones; the
// library that the rest of sys uses makes a system call of each member (docs/adr/0006).
package ipset

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
)

// NameMax is the longest name of a set in bytes (IPSET_MAXNAMELEN less the closing zero).
const NameMax = 31

// Kind is what the elements of a set look like.
type Kind uint8

// The kinds. A set of prefixes costs one hash lookup a prefix length in use: one of hosts alone costs what a hash:ip does.
const (
	Net      Kind = iota // prefixes (hash:net)
	Port                 // address, protocol and port (hash:ip,port)
	NetIface             // prefix and interface (hash:net,iface)
)

// kinds are the kernel's type names and the revision that is asked for: the oldest that can all that is used here.
var kinds = [...]struct {
	name     string
	revision uint8
}{Net: {"hash:net", 0}, Port: {"hash:ip,port", 1}, NetIface: {"hash:net,iface", 0}}

// String returns the kernel's type name.
func (k Kind) String() string { return kinds[k].name }

// Set is a set without its elements.
type Set struct {
	Name string // at most NameMax bytes
	Kind Kind
	IPv6 bool
}

// Element is one element. Which fields count depends on the set's kind.
type Element struct {
	// Prefix is masked, and not of length 0: those kinds of sets do not know the prefix of all addresses. For Port it is a host.
	Prefix    netip.Prefix
	Protocol  uint8  // Port
	Port      uint16 // Port
	Interface string // NetIface
}

// Compare orders elements.
func (e Element) Compare(other Element) int {
	return cmp.Or(e.Prefix.Addr().Compare(other.Prefix.Addr()), cmp.Compare(e.Prefix.Bits(), other.Prefix.Bits()),
		cmp.Compare(e.Protocol, other.Protocol), cmp.Compare(e.Port, other.Port), strings.Compare(e.Interface, other.Interface))
}

// Header is what the kernel says about a set.
type Header struct {
	Set
	// Foreign is set when the kernel's type is none of the kinds.
	Foreign    bool
	Elements   int
	References int // how many rules use it
}

// check returns an error for an element that does not fit its set.
func (s Set) check(e Element) error {
	switch {
	case !e.Prefix.IsValid() || e.Prefix.Addr().Is4() == s.IPv6 || e.Prefix.Addr().Is4In6():
		return fmt.Errorf("IP set %s: element %v is not of the set's family", s.Name, e.Prefix)
	case e.Prefix.Bits() == 0:
		return fmt.Errorf("IP set %s: element %v: the kernel takes no prefix of length 0; add its two halves", s.Name, e.Prefix)
	case s.Kind == Port && !e.Prefix.IsSingleIP():
		return fmt.Errorf("IP set %s: element %v has a port and is not a host", s.Name, e.Prefix)
	case s.Kind == NetIface && (e.Interface == "" || len(e.Interface) > interfaceMax):
		return fmt.Errorf("IP set %s: element %v: interface name %q: want 1 to %d bytes", s.Name, e.Prefix, e.Interface, interfaceMax)
	}
	return nil
}

// interfaceMax is IFNAMSIZ less the closing zero.
const interfaceMax = 15
