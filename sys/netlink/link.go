// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net"

	vnl "github.com/vishvananda/netlink"
)

// MaxLinkName is the longest interface name in bytes (IFNAMSIZ less the closing zero, netdevice(7)).
const MaxLinkName = 15

// Link is a network interface.
type Link struct {
	Index int
	Name  string
	// Kind is the rtnetlink kind: "veth", "bridge"; "device" for hardware and the loopback.
	Kind string
	MTU  int
	MAC  net.HardwareAddr
	// Up is the administrative state.
	Up bool
	// Running is the operational state: up, and with a carrier.
	Running bool
	// Master is the index of the bridge the link is a port of; 0 when none.
	Master int
	// Peer is the index of a veth's other end, in that end's namespace; 0 for other kinds.
	Peer int
	// Alias is a free text that the kernel keeps with the link (up to 255 bytes).
	Alias string
	// Group is the number given by LinkSpec.Group.
	Group uint32
}

// Link returns the link called name.
func (c *Conn) Link(name string) (Link, error) {
	l, err := c.h.LinkByName(name)
	if err != nil {
		return Link{}, wrap(err, "link %s", name)
	}
	return linkOf(l), nil
}

// LinkByIndex returns the link with the index.
func (c *Conn) LinkByIndex(index int) (Link, error) {
	l, err := c.h.LinkByIndex(index)
	if err != nil {
		return Link{}, wrap(err, "link with index %d", index)
	}
	return linkOf(l), nil
}

// Links returns all links, in index order.
func (c *Conn) Links() ([]Link, error) {
	all, err := whole(c.h.LinkList)
	if err != nil {
		return nil, wrap(err, "list links")
	}
	links := make([]Link, len(all))
	for i, l := range all {
		links[i] = linkOf(l)
	}
	return links, nil
}

// DeleteLink deletes a link, and with one end of a veth the other.
func (c *Conn) DeleteLink(index int) error {
	return wrap(c.h.LinkDel(ref(index)), "delete link with index %d", index)
}

// SetUp sets the administrative state.
func (c *Conn) SetUp(index int, up bool) error {
	if up {
		return wrap(c.h.LinkSetUp(ref(index)), "set link with index %d up", index)
	}
	return wrap(c.h.LinkSetDown(ref(index)), "set link with index %d down", index)
}

// SetMTU sets the MTU in bytes.
func (c *Conn) SetMTU(index, mtu int) error {
	return wrap(c.h.LinkSetMTU(ref(index), mtu), "set MTU %d of link with index %d", mtu, index)
}

// SetMAC sets the hardware address.
func (c *Conn) SetMAC(index int, mac net.HardwareAddr) error {
	return wrap(c.h.LinkSetHardwareAddr(ref(index), mac), "set MAC address %s of link with index %d", mac, index)
}

// SetGroup puts a link into a group.
func (c *Conn) SetGroup(index, group int) error {
	return wrap(c.h.LinkSetGroup(ref(index), group), "put link with index %d into group %d", index, group)
}

// SetAlias sets the alias text.
func (c *Conn) SetAlias(index int, alias string) error {
	return wrap(c.h.LinkSetAlias(ref(index), alias), "set alias of link with index %d", index)
}

// SetMaster makes a link a port of a bridge; master 0 takes it off.
func (c *Conn) SetMaster(index, master int) error {
	return wrap(c.h.LinkSetMasterByIndex(ref(index), master), "set master %d of link with index %d", master, index)
}

// Rename changes the name. Kernels before 6.x demand that the link is down.
func (c *Conn) Rename(index int, name string) error {
	return wrap(c.h.LinkSetName(ref(index), name), "rename link with index %d to %s", index, name)
}

// ref is a link known by its index alone.
func ref(index int) vnl.Link {
	return &vnl.GenericLink{LinkAttrs: vnl.LinkAttrs{Index: index}}
}

func linkOf(l vnl.Link) Link {
	a := l.Attrs()
	link := Link{
		Index: a.Index, Name: a.Name, Kind: l.Type(), MTU: a.MTU, MAC: a.HardwareAddr, Master: a.MasterIndex, Alias: a.Alias, Group: a.Group,
		Up:      a.Flags&net.FlagUp != 0,
		Running: a.Flags&net.FlagRunning != 0,
	}
	if link.Kind == "veth" {
		link.Peer = a.ParentIndex
	}
	return link
}
