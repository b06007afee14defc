// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net"
	"net/netip"

	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addr is an address of a link.
type Addr struct {
	// Link is the index of the link.
	Link int
	// Prefix is the address with its on-link prefix length, "192.0.2.7/24".
	Prefix netip.Prefix
	// Scope of the address, the kernel's RT_SCOPE_* value: 0 universe, 253 link, 254 host.
	Scope uint8
	// NoDAD leaves out IPv6 duplicate address detection (RFC 4862, section 5.4): the address works at once. No effect for IPv4.
	NoDAD bool
	// Tentative is reported for an IPv6 address whose duplicate address detection has not ended or has failed.
	Tentative bool
}

// AddAddr adds an address. The error Is fs.ErrExist when the link has it.
func (c *Conn) AddAddr(a Addr) error {
	return wrap(c.h.AddrAdd(ref(a.Link), a.encode()), "add address %s to link with index %d", a.Prefix, a.Link)
}

// DeleteAddr deletes an address.
func (c *Conn) DeleteAddr(a Addr) error {
	return wrap(c.h.AddrDel(ref(a.Link), a.encode()), "delete address %s from link with index %d", a.Prefix, a.Link)
}

// Addrs returns the addresses of the link with the index, or of all links when it is 0, both families.
func (c *Conn) Addrs(index int) ([]Addr, error) {
	var link vnl.Link
	if index != 0 {
		link = ref(index)
	}
	list, err := whole(func() ([]vnl.Addr, error) { return c.h.AddrList(link, vnl.FAMILY_ALL) })
	if err != nil {
		return nil, wrap(err, "list addresses of link with index %d", index)
	}
	addrs := make([]Addr, 0, len(list))
	for _, a := range list {
		if prefix, ok := prefixOf(a.IPNet); ok {
			addrs = append(addrs, Addr{
				Link: a.LinkIndex, Prefix: prefix, Scope: uint8(a.Scope),
				NoDAD:     a.Flags&unix.IFA_F_NODAD != 0,
				Tentative: a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0,
			})
		}
	}
	return addrs, nil
}

func (a Addr) encode() *vnl.Addr {
	out := &vnl.Addr{IPNet: ipNet(a.Prefix), Scope: int(a.Scope)}
	if a.NoDAD && a.Prefix.Addr().Is6() {
		out.Flags = unix.IFA_F_NODAD
	}
	return out
}

// ipNet keeps the host bits of p.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf keeps the host bits of n.
func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if bits == 32 {
		addr = addr.Unmap()
	}
	if !ok || bits != addr.BitLen() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, ones), true
}
