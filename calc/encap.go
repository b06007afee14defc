// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"

	v3 "github.com/weftnet/weft/api/v3"
)

// encap is how packets to addresses of another node travel.
type encap uint8

const (
	encapNone   encap = iota // as BGP says
	encapDirect              // plainly to the other node, whatever BGP says: the pool has a tunnel, but both nodes are on one subnet
	encapTunnel
	encapWireGuard
)

// encapOf decides between two nodes, given by their addresses with subnets, for a pool's ipipMode or vxlanMode, and for whether the two encrypt what
// they send each other, which goes before. It is symmetric: both nodes come to one result, also where they state their common subnet with different
// lengths.
func encapOf(mode v3.EncapMode, encrypt bool, a, b netip.Prefix) encap {
	switch {
	case encrypt:
		return encapWireGuard
	case mode != v3.EncapAlways && mode != v3.EncapCrossSubnet:
		return encapNone
	case mode == v3.EncapCrossSubnet && a.Masked().Contains(b.Addr()) && b.Masked().Contains(a.Addr()):
		return encapDirect
	}
	return encapTunnel
}

// wraps tells whether a mode wraps packets between some nodes.
func wraps(mode v3.EncapMode) bool {
	return encapOf(mode, false, netip.Prefix{}, netip.Prefix{}) != encapNone
}
