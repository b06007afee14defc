// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"net/netip"
	"strings"
)

// TunnelKind is how a tunnel wraps packets.
type TunnelKind uint8

// The kinds.
const (
	TunnelVXLAN TunnelKind = iota // UDP (RFC 7348)
	TunnelIPIP                    // IP protocol 4 (RFC 2003)
)

// String returns "VXLAN" or "IPIP".
func (k TunnelKind) String() string {
	if k == TunnelIPIP {
		return "IPIP"
	}
	return "VXLAN"
}

// MAC is an Ethernet address.
type MAC [6]byte

// Tunnel is a tunnel device of this node, through which it reaches nodes in its peers' list.
type Tunnel struct {
	Name  string // of the device, at most 15 bytes
	Kind  TunnelKind
	Local netip.Addr // this node's address on the underlay; its family is that of the underlay
	Addr  netip.Addr // this node's address on the tunnel
	MTU   int        // bytes; 0: that of the link that has Local, less the header
	// VNI, Port and MAC are for VXLAN.
	VNI  uint32
	Port uint16
	MAC  MAC
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

// TunnelPeer is another node that is reached through a tunnel.
type TunnelPeer struct {
	ID     TunnelPeerID
	Remote netip.Addr // its address on the underlay
	Addr   netip.Addr // its address on the tunnel
	MAC    MAC        // VXLAN: of its tunnel device
}
