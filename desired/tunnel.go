// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"net"
	"net/netip"
	"strings"
)

// MAC is an Ethernet address.
type MAC [6]byte

// String returns "66:01:02:03:04:05".
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// TunnelKind is a kind of tunnel device. A node has at most one of each.
type TunnelKind uint8

// The kinds.
const (
	VXLAN4 TunnelKind = iota // VXLAN (RFC 7348) over IPv4, for IPv4
	VXLAN6                   // VXLAN over IPv6, for IPv6

	TunnelKinds = iota
)

// TunnelAddrs are the addresses of one node on its tunnels; the zero Addr is none.
type TunnelAddrs [TunnelKinds]netip.Addr

// Tunnel is a VXLAN device of this node (RFC 7348), through which it reaches its peers.
type Tunnel struct {
	Kind  TunnelKind
	Name  string     // of the device, at most 15 bytes
	Local netip.Addr // this node's address on the underlay
	Addr  netip.Addr // this node's address on the tunnel
	MAC   MAC
	VNI   uint32
	Port  uint16 // UDP destination
	MTU   int    // bytes; 0: that of the link that has Local, less the headers
}

// TunnelPeerID identifies another node on a tunnel.
type TunnelPeerID struct {
	Tunnel string // name of the device
	Node   string
}

// Compare orders peers by tunnel, then node.
func (id TunnelPeerID) Compare(other TunnelPeerID) int {
	return cmp.Or(strings.Compare(id.Tunnel, other.Tunnel), strings.Compare(id.Node, other.Node))
}

// String returns "node on device".
func (id TunnelPeerID) String() string { return id.Node + " on " + id.Tunnel }

// TunnelPeer is another node that is reached through a tunnel. No two peers of a tunnel share Addr or MAC.
type TunnelPeer struct {
	ID     TunnelPeerID
	Remote netip.Addr // its address on the underlay
	Addr   netip.Addr // its address on the tunnel
	MAC    MAC        // of its tunnel device
}
