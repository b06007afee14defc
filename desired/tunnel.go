// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/policy/rule"
)

// MAC is an Ethernet address.
type MAC [6]byte

// String returns "66:01:02:03:04:05".
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Key is a public key of WireGuard (RFC 7748); the zero value is none.
type Key [32]byte

// String returns the key in base64, as Nodes state it.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// TunnelKind is a kind of tunnel device. A node has at most one of each.
type TunnelKind uint8

// The kinds.
const (
	VXLAN4     TunnelKind = iota // VXLAN (RFC 7348) over IPv4, for IPv4
	VXLAN6                       // VXLAN over IPv6, for IPv6
	IPIP                         // IP-in-IP (RFC 2003)
	WireGuard4                   // WireGuard over IPv4, for IPv4
	WireGuard6                   // WireGuard over IPv6, for IPv6

	TunnelKinds = iota
)

// Family is that of what the tunnel carries and of what carries it: 0 for IPv4, 1 for IPv6.
func (k TunnelKind) Family() int {
	if k == VXLAN6 || k == WireGuard6 {
		return 1
	}
	return 0
}

// Encrypts tells whether the tunnel is WireGuard.
func (k TunnelKind) Encrypts() bool { return k == WireGuard4 || k == WireGuard6 }

// EncryptingKind returns the kind of WireGuard for a family, 0 for IPv4 and 1 for IPv6.
func EncryptingKind(family int) TunnelKind { return WireGuard4 + TunnelKind(family) }

// TunnelAddrs are the addresses of one node on its tunnels; the zero Addr is none.
type TunnelAddrs [TunnelKinds]netip.Addr

// TunnelPeers is the IP set of the hosts that this node takes tunnelled packets from.
const TunnelPeers rule.SetID = "tunnelpeers"

// TunnelRules say which packets that carry others the packet filter lets pass: VXLAN and WireGuard over both families, and IP-in-IP over IPv4.
type TunnelRules struct {
	// VXLANPort is the UDP destination port of VXLAN; 0: none.
	VXLANPort uint16
	// VXLANPeers and IPIPPeers are TunnelPeers where this node has such a tunnel: it takes packets of that kind from the set's members, whatever
	// host endpoint policy says, and drops those of others. Empty: they are packets like any other.
	VXLANPeers, IPIPPeers rule.SetID
	// WireGuardPeers is TunnelPeers where this node encrypts: whatever host endpoint policy says, it exchanges WireGuard packets with the set's
	// members. Those of others are packets like any other, since a device takes none but its peers'.
	WireGuardPeers rule.SetID
	// WireGuardPorts are the UDP ports of WireGuard by family; 0: none.
	WireGuardPorts [2]uint16
	// AllowVXLAN and AllowIPIP let workloads send such packets, as far as policy does.
	AllowVXLAN, AllowIPIP bool
}

// Sets are the IP sets that the rules refer to.
func (r TunnelRules) Sets() []rule.SetID {
	var out []rule.SetID
	for _, id := range []rule.SetID{r.VXLANPeers, r.IPIPPeers, r.WireGuardPeers} {
		if id != "" {
			out = append(out, id)
		}
	}
	return out
}

// Tunnel is a tunnel device of this node, through which it reaches its peers.
type Tunnel struct {
	Kind  TunnelKind
	Name  string     // of the device, at most 15 bytes
	Local netip.Addr // this node's address on the underlay
	Addr  netip.Addr // this node's address on the tunnel
	MAC   MAC        // VXLAN
	VNI   uint32     // VXLAN
	Port  uint16     // UDP; VXLAN: destination, WireGuard: this node's and all peers'
	MTU   int        // bytes; 0: that of the link that has Local, less the headers
	// Key is this node's public key of WireGuard as its Node states it; zero: none yet.
	Key Key
	// Keepalive is the time between packets of WireGuard that keep a way open; 0: none.
	Keepalive time.Duration
	// Hosts says how WireGuard carries what the nodes send each other themselves; the zero value: it does not.
	Hosts HostRouting
	// Threaded spreads the work of the kernel's WireGuard over several CPUs.
	Threaded bool
}

// HostRouting leads packets for other nodes' own addresses into a tunnel, apart from the main table: that leads the tunnel's own packets there.
type HostRouting struct {
	Table    uint32 // of the routes
	Priority uint32 // of the rule that leads to Table
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

// TunnelPeer is another node that is reached through a tunnel. No two peers of a tunnel share Addr, with VXLAN MAC, or with WireGuard Key or a net.
type TunnelPeer struct {
	ID     TunnelPeerID
	Remote netip.Addr // its address on the underlay
	Addr   netip.Addr // its address on the tunnel
	MAC    MAC        // of its VXLAN device
	Key    Key        // WireGuard
	// Nets are what WireGuard takes from the peer and sends to it, sorted: its blocks, what it has outside of them, its tunnels' addresses, and Remote.
	Nets []netip.Prefix
}

// Equal tells whether two peers are the same in every field.
func (p TunnelPeer) Equal(other TunnelPeer) bool {
	return p.ID == other.ID && p.Remote == other.Remote && p.Addr == other.Addr && p.MAC == other.MAC && p.Key == other.Key && slices.Equal(p.Nets, other.Nets)
}
