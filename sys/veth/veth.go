// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package veth gives a workload its network interface: Create it, Address it, in the end Delete it.
//
// The host's end has no address and the MAC ee:ee:ee:ee:ee:ee; the workload's end has /32 and /128 addresses and reaches everything
// through the host's end: IPv4 by the link-local gateway 169.254.1.1, IPv6 by the link-local address that the kernel derives from that MAC.
// Both gateways are permanent neighbours of the workload, and the workload a known neighbour of the host, so the first packet and its answer
// wait for nobody. Nothing owns 169.254.1.1: proxy ARP answers who asks for it all the same. Facts: calico-behaviour §4.1; Documentation/networking/ip-sysctl.rst of the kernel.
package veth

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
)

// The gateways that every workload uses: Gateway6 is the EUI-64 address of HostMAC (RFC 4291, appendix A).
var (
	HostMAC  = net.HardwareAddr{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
	Gateway4 = netip.MustParseAddr("169.254.1.1")
	Gateway6 = netip.MustParseAddr("fe80::ecee:eeff:feee:eeee")
)

// Gateway returns the gateway of addr's family.
func Gateway(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return Gateway4
	}
	return Gateway6
}

// Spec describes one workload interface.
type Spec struct {
	HostName string // host side link name, at most 15 bytes
	Owner    string // kept with the host side link (its alias), so that only its owner deletes it
	NS       *netns.NS
	IfName   string           // the workload's side
	MAC      net.HardwareAddr // of the workload's side, see RandomMAC
	MTU      int              // bytes; 0 leaves the kernel's default, 1500
	IPv4     bool             // the workload will get an IPv4 address
	IPv6     bool             // the workload will get an IPv6 address
	Forward  bool             // let the workload forward packets (container_settings.allow_ip_forwarding)
}

// gateways returns those of the families that the workload will have.
func (s Spec) gateways() []netip.Addr {
	var all []netip.Addr
	if s.IPv4 {
		all = append(all, Gateway4)
	}
	if s.IPv6 {
		all = append(all, Gateway6)
	}
	return all
}

// Links makes workload interfaces in the network namespace of the process. Safe for concurrent use.
type Links struct {
	host  *netlink.Conn
	batch *netlink.RouteConn
}

// Open opens netlink sockets in the namespace of the process.
func Open() (*Links, error) {
	host, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	batch, err := netlink.OpenRoutes(nil)
	if err != nil {
		host.Close()
		return nil, err
	}
	return &Links{host, batch}, nil
}

// Close closes the sockets.
func (l *Links) Close() {
	l.host.Close()
	_ = l.batch.Close() // nothing is under way that could be lost
}

// RandomMAC draws a MAC address of the locally administered range (IEEE 802, the second lowest bit of the first byte).
func RandomMAC() net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	_, _ = rand.Read(mac) // never fails (package crypto/rand)
	mac[0] = mac[0]&^1 | 2
	return mac
}

// ours says whether a link was made by this package, and for owner: one without an alias was left by a crash between two steps.
func ours(link netlink.Link, owner string) bool {
	return link.Group == own.LinkGroup && (link.Alias == owner || link.Alias == "")
}

// describe names the owner of a link for people.
func describe(link netlink.Link) string {
	if link.Group != own.LinkGroup {
		return "it was not made by weft"
	}
	return fmt.Sprintf("it belongs to container %q", link.Alias)
}
