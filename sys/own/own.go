// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package own lists every mark by which weft recognises what it made in the kernel. What carries a mark is ours to change and
// delete; what does not is never touched.
package own

const (
	// NFTable is the name of the one nftables table, family inet.
	NFTable = "weft"
	// RouteProtocol marks routes computed by this node (rtm_protocol): local workloads and blackholes.
	RouteProtocol = 119
	// RouteProtocolBGP marks routes learned over BGP.
	RouteProtocolBGP = 120
	// RouteMetric is the priority of our routes (Calico's ipv4NormalRoutePriority default), or with RouteMetrics the first of those of our IPv4 routes
	// to more than one address: the kernel compares each new one with all others of the same metric and link that it has.
	RouteMetric = 1024
	// RouteMetrics is how many there are.
	RouteMetrics = 256
	// LinkGroup marks workload interfaces from their birth on (IFLA_GROUP): other networks use the same name prefix.
	LinkGroup = 119
	// TunnelGroup marks tunnel devices likewise.
	TunnelGroup = 120
	// InterfacePrefix starts the host side name of every workload interface.
	InterfacePrefix = "cali"
	// NamespacePrefix starts the name of every network namespace made by the lab.
	NamespacePrefix = "weft-"
	// ChainPrefix starts the name of every iptables chain.
	ChainPrefix = "weft-"
	// SetPrefix starts the name of every IP set; behind it come the family, 4 or 6, and a dash.
	SetPrefix = "weft"
	// PassMark is the packet mark bit for "leave this tier" (inside Calico's default mark mask 0xffff0000).
	PassMark = 0x00010000
	// EndedMark is the connection mark bit of connections that policy has ended: data planes drop their packets in both directions.
	EndedMark = 0x20000000
	// AcceptMark is the packet mark bit for "untracked or pre-DNAT policy has allowed this packet for good, as far as host endpoints go".
	AcceptMark = 0x00020000
	// HostMark is the packet mark bit for "on its way to the host itself", where the packet's interfaces do not say so.
	HostMark = 0x00040000
	// JudgedMark is the packet mark bit for "policy has allowed this packet, and it is on its way back through the chains".
	JudgedMark = 0x00080000
	// NATMark is the packet mark bit for "sent by a process of the host, to be judged where it has been translated".
	NATMark = 0x00100000
	// UnderlayMark is the packet mark bit for "takes the way below the encryption between hosts": it is on WireGuard's own packets, and on those that
	// measure that way.
	UnderlayMark = 0x00200000
)
