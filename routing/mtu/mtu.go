// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package mtu decides how large packets may be: Workload for the interfaces of workloads, Way for the way to another node.
//
// Pure: facts in, a size with its reason out. All sizes are of IP packets, in bytes.
package mtu

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Least is the smallest MTU with which IPv6 works (RFC 8200, section 5): below it the kernel takes IPv6 away from a link.
const Least = 1280

// Fallback is what a host is taken to have whose links say nothing, as Calico does.
const Fallback = 1460

// Encap is a layer around packets on their way between nodes.
type Encap uint8

// The layers.
const (
	Direct     Encap = iota // nothing
	IPIP                    // an IPv4 header (RFC 2003)
	VXLAN4                  // IPv4, UDP, VXLAN and Ethernet headers (RFC 7348)
	VXLAN6                  // the same over IPv6
	WireGuard4              // IPv4, UDP, the message's header and its tag
	WireGuard6              // the same over IPv6

	Encaps = iota
)

var (
	overheads = [Encaps]int{IPIP: 20, VXLAN4: 50, VXLAN6: 70, WireGuard4: 60, WireGuard6: 80}
	names     = [Encaps]string{"no tunnel", "IP-in-IP", "VXLAN over IPv4", "VXLAN over IPv6", "WireGuard over IPv4", "WireGuard over IPv6"}
)

// Overhead is what a layer adds to each packet.
func (e Encap) Overhead() int { return overheads[e] }

// String returns "VXLAN over IPv4".
func (e Encap) String() string { return names[e] }

// Inside returns how large a packet may be inside the layers where one of size may pass outside.
func Inside(size int, layers ...Encap) int {
	for _, e := range layers {
		size -= e.Overhead()
	}
	return size
}

// Config is what FelixConfiguration states.
type Config struct {
	// Pattern matches the links of the host that count (mtuIfacePattern); empty: those that have the node's addresses.
	Pattern string
	// Device holds the stated MTU of a layer's device (ipipMTU, vxlanMTU, vxlanMTUV6, wireguardMTU, wireguardMTUV6); 0: detected.
	Device [Encaps]int
	// Used tells which layers this node's pools ask for.
	Used [Encaps]bool
}

// Link is an interface of the host.
type Link struct {
	Name  string
	MTU   int
	Addrs []netip.Addr
}

// Has tells whether the link has an address.
func (l Link) Has(addr netip.Addr) bool { return slices.Contains(l.Addrs, addr) }

// Decision is a size, why it was chosen, and why no other.
type Decision struct {
	Value    int
	Reason   string
	Rejected []string
}

// Workload chooses the MTU of workloads' interfaces: what fits into each layer that the node uses, on each link that counts, so that a
// packet never needs to be cut up whichever way it goes. own are the node's addresses. Where IPv6 is used it is never below Least.
func Workload(c Config, links []Link, own []netip.Addr) Decision {
	type candidate struct {
		size int
		text string
	}
	link, which := c.underlay(links, own)
	all := []candidate{{link.MTU, which}}
	for e := range Encap(Encaps) {
		if c.Used[e] {
			all = append(all, candidate{c.device(e, link.MTU), c.because(e, link)})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.size, b.size) })
	d := Decision{Value: all[0].size, Reason: all[0].text}
	for _, other := range all[1:] {
		d.Rejected = append(d.Rejected, fmt.Sprintf("%d: %s", other.size, other.text))
	}
	if d.Value < Least && slices.ContainsFunc(own, netip.Addr.Is6) {
		d.Rejected = slices.Insert(d.Rejected, 0, fmt.Sprintf("%d: %s; IPv6 needs %d", d.Value, d.Reason, Least))
		d.Value, d.Reason = Least, fmt.Sprintf("IPv6 needs %d, which is more than fits; raise the MTU of %s", Least, link.Name)
	}
	return d
}

// underlay returns the smallest link that counts, and in words why it does.
func (c Config) underlay(links []Link, own []netip.Addr) (Link, string) {
	const address = "which has the node's address"
	counting, which := []Link(nil), "which matches mtuIfacePattern "+c.Pattern
	re, err := regexp.Compile(c.Pattern)
	switch {
	case c.Pattern == "":
		counting, which = having(links, own), address
	case err != nil: // validation refuses it
		counting, which = having(links, own), fmt.Sprintf("%s, as mtuIfacePattern cannot be read: %v", address, err)
	default:
		counting = slices.DeleteFunc(slices.Clone(links), func(l Link) bool { return !re.MatchString(l.Name) })
		if len(counting) == 0 {
			counting, which = having(links, own), fmt.Sprintf("%s, as no link matches mtuIfacePattern %s", address, c.Pattern)
		}
	}
	if len(counting) == 0 {
		return Link{Name: "the underlay", MTU: Fallback}, "assumed: no link of the host has the node's address"
	}
	l := slices.MinFunc(counting, func(a, b Link) int { return cmp.Compare(a.MTU, b.MTU) })
	return l, fmt.Sprintf("that of %s, %s", l.Name, which)
}

func having(links []Link, own []netip.Addr) []Link {
	return slices.DeleteFunc(slices.Clone(links), func(l Link) bool { return !slices.ContainsFunc(own, l.Has) })
}

// device is the MTU of a layer's device on a link.
func (c Config) device(e Encap, link int) int { return cmp.Or(c.Device[e], Inside(link, e)) }

func (c Config) because(e Encap, link Link) string {
	if c.Device[e] != 0 {
		return fmt.Sprintf("stated for %s", e)
	}
	return fmt.Sprintf("%s has %d, less %d for %s", link.Name, link.MTU, e.Overhead(), e)
}

// Size is how large packets may be on the way to another node.
type Size struct {
	// Computed is what fits by the link's MTU and the device's.
	Computed int
	// Value is the smaller one of Computed and what the measured path has room for.
	Value  int
	Reason string
}

// Way returns how large packets to another node may be inside the layers, outermost first. link is the MTU of the link that leads there,
// probed the measured size of the path, 0 when that is not known.
func (c Config) Way(link, probed int, layers ...Encap) Size {
	s := Size{Computed: Inside(link, layers...), Reason: fmt.Sprintf("the link has %d", link)}
	for _, e := range layers {
		if stated := c.Device[e]; stated != 0 && stated < s.Computed {
			s.Computed, s.Reason = stated, "stated for "+e.String()
		}
	}
	s.Value = s.Computed
	if inside := Inside(probed, layers...); probed > 0 && inside < s.Value {
		s.Value, s.Reason = inside, fmt.Sprintf("the path was measured: %d", probed)
	}
	if len(layers) > 0 {
		var texts []string
		for _, e := range layers {
			texts = append(texts, fmt.Sprintf("%d for %s", e.Overhead(), e))
		}
		s.Reason += ", less " + strings.Join(texts, " and ")
	}
	return s
}
