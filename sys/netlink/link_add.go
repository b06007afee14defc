// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net"

	vnl "github.com/vishvananda/netlink"

	"github.com/weftnet/weft/sys/netns"
)

// LinkSpec describes a link to make.
type LinkSpec struct {
	Name string
	// MTU in bytes; 0 leaves the kernel's default, 1500.
	MTU int
	// MAC address; nil lets the kernel draw one.
	MAC net.HardwareAddr
	// Up makes the link and sets it up in one request.
	Up bool
	// Group is a number that the kernel keeps with the link from its birth on (IFLA_GROUP); 0 is everybody's.
	Group uint32
}

// VethSpec describes both ends of a veth pair, veth(4).
type VethSpec struct {
	LinkSpec
	// Peer is the other end. Up is not honoured for it: set it up in its namespace.
	Peer LinkSpec
	// PeerNS is where the other end is born; nil means the namespace of the connection.
	PeerNS *netns.NS
}

// AddVeth makes a veth pair in one request: at no time does the peer exist in the wrong namespace. It returns the near end.
func (c *Conn) AddVeth(spec VethSpec) (Link, error) {
	veth := vnl.NewVeth(spec.attrs())
	veth.PeerName = spec.Peer.Name
	veth.PeerMTU = uint32(spec.Peer.MTU)
	veth.PeerHardwareAddr = spec.Peer.MAC
	if spec.PeerNS != nil {
		veth.PeerNamespace = vnl.NsFd(spec.PeerNS.FD())
	}
	if err := c.h.LinkAdd(veth); err != nil {
		return Link{}, wrap(err, "add veth %s with peer %s", spec.Name, spec.Peer.Name)
	}
	return c.Link(spec.Name)
}

// AddBridge makes a bridge without spanning tree: its ports forward at once.
func (c *Conn) AddBridge(spec LinkSpec) (Link, error) {
	if err := c.h.LinkAdd(&vnl.Bridge{LinkAttrs: spec.attrs()}); err != nil {
		return Link{}, wrap(err, "add bridge %s", spec.Name)
	}
	return c.Link(spec.Name)
}

func (s LinkSpec) attrs() vnl.LinkAttrs {
	a := vnl.NewLinkAttrs()
	a.Name, a.MTU, a.HardwareAddr, a.Group = s.Name, s.MTU, s.MAC, s.Group
	if s.Up {
		a.Flags |= net.FlagUp
	}
	return a
}
