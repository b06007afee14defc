// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"crypto/sha1" //nolint:gosec // names a device as Calico does, protects nothing
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// Fields of a Node that concern its tunnels, and of an IP pool, by kind.
var (
	tunnelAddressFields = [desired.TunnelKinds]string{
		"spec.ipv4VXLANTunnelAddr", "spec.ipv6VXLANTunnelAddr", "spec.bgp.ipv4IPIPTunnelAddr",
		"spec.wireguard.interfaceIPv4Address", "spec.wireguard.interfaceIPv6Address",
	}
	tunnelMACFields = [desired.TunnelKinds]string{desired.VXLAN4: "spec.vxlanTunnelMACAddr", desired.VXLAN6: "spec.vxlanTunnelMACAddrV6"}
	tunnelKeyFields = [desired.TunnelKinds]string{desired.WireGuard4: "status.wireguardPublicKey", desired.WireGuard6: "status.wireguardPublicKeyV6"}
	// withoutAddress is what is amiss while a node lacks its address on a tunnel.
	withoutAddress = [desired.TunnelKinds]string{
		"nothing in pools with vxlanMode can be reached", "nothing in pools with vxlanMode can be reached", "nothing in pools with ipipMode can be reached",
		"IPv4 traffic to other nodes is not encrypted", "IPv6 traffic to other nodes is not encrypted",
	}
)

// tunnelNode is what reach needs of a Node.
type tunnelNode struct {
	subnet [2]netip.Prefix // its address with the subnet, by family
	tunnel desired.TunnelAddrs
	mac    [desired.TunnelKinds]desired.MAC // zero where there is none
	key    [desired.TunnelKinds]desired.Key // WireGuard; zero where there is none
}

func newTunnelNode(n *v3.Node) (*tunnelNode, api.FieldErrors) {
	out := &tunnelNode{mac: [desired.TunnelKinds]desired.MAC{TunnelMAC(n.Name, 0), TunnelMAC(n.Name, 1)}}
	addrs := [desired.TunnelKinds]string{n.Spec.IPv4VXLANTunnelAddr, n.Spec.IPv6VXLANTunnelAddr}
	var wrong faults
	if wg := n.Spec.Wireguard; wg != nil {
		addrs[desired.WireGuard4], addrs[desired.WireGuard6] = wg.InterfaceIPv4Address, wg.InterfaceIPv6Address
	}
	if status := n.Status; status != nil {
		for k, text := range map[desired.TunnelKind]string{desired.WireGuard4: status.WireguardPublicKey, desired.WireGuard6: status.WireguardPublicKeyV6} {
			if text != "" {
				key, err := v3.ParseWireGuardKey(text)
				wrong.add(tunnelKeyFields[k], err)
				out.key[k] = key
			}
		}
	}
	if bgp := n.Spec.BGP; bgp != nil {
		addrs[desired.IPIP] = bgp.IPv4IPIPTunnelAddr
		for f, text := range [2]string{bgp.IPv4Address, bgp.IPv6Address} {
			if text != "" {
				p, err := v3.ParseInterfaceCIDR(text)
				wrong.add(nodeAddressFields[f], err)
				out.subnet[f] = p
			}
		}
	}
	for k, text := range addrs {
		if text != "" {
			addr, err := netip.ParseAddr(text)
			if f := desired.TunnelKind(k).Family(); err == nil && family(addr) != f {
				err = fmt.Errorf("%s is an address of the other family; want IPv%d", text, 4+2*f)
			}
			wrong.add(tunnelAddressFields[k], err)
			out.tunnel[k] = addr
		}
	}
	for f, text := range [2]string{n.Spec.VXLANTunnelMACAddr, n.Spec.VXLANTunnelMACAddrV6} {
		if text != "" {
			mac, err := net.ParseMAC(text)
			if err == nil && len(mac) != len(desired.MAC{}) {
				err = fmt.Errorf("%s is no Ethernet address; write six bytes, 66:01:02:03:04:05", text)
			}
			wrong.add(tunnelMACFields[f], err)
			copy(out.mac[f][:], mac)
		}
	}
	return out, wrong.list
}

// TunnelMAC returns the MAC address of a node's VXLAN device by family of its underlay, which is Calico's: 66 and the first five bytes of the
// SHA-1 of the node's name, for IPv6 with "-v6" behind it. A Node may state another.
func TunnelMAC(node string, family int) desired.MAC {
	sum := sha1.Sum([]byte(node + [2]string{"", "-v6"}[family])) //nolint:gosec // see the import
	return desired.MAC{0x66, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

func (r *reach) putNode(name string, n *v3.Node) api.FieldErrors {
	now, wrong := newTunnelNode(n)
	if wrong != nil {
		return wrong
	}
	if old := r.nodes[name]; old == nil || *old != *now {
		r.setNode(name, now)
	}
	return nil
}

func (r *reach) removeNode(name string) {
	if r.nodes[name] != nil {
		r.setNode(name, nil)
	}
}

// setNode replaces a node; nil removes it. Nodes that share an address or MAC address with it before or after are marked too: who is first
// may change.
func (r *reach) setNode(name string, now *tunnelNode) {
	old := r.nodes[name]
	r.underlay++
	if name == r.self {
		r.all = true
	}
	r.dirtyNode[name] = struct{}{}
	r.guard.setHost(old, now)
	r.nat.setHost(old, now)
	for _, n := range []*tunnelNode{old, now} {
		r.claimHost(n, name, n == now)
		for k := range desired.TunnelKinds {
			if n == nil || !n.tunnel[k].IsValid() || name == r.self {
				continue
			}
			r.claim(n, k, name, n == now)
			r.touchNodes(r.addrs.all(n.tunnel[k]))
			r.touchNodes(r.macs.all(n.mac[k]))
			r.touchNodes(r.keys.all(n.key[k]))
		}
	}
	if now == nil {
		delete(r.nodes, name)
	} else {
		r.nodes[name] = now
	}
}

// claimHost notes that a node has its own addresses, or has them no more.
func (r *reach) claimHost(n *tunnelNode, node string, has bool) {
	if n == nil || node == r.self {
		return
	}
	change := r.hosts.remove
	if has {
		change = r.hosts.add
	}
	for _, net := range n.subnet {
		if net.IsValid() {
			change(net.Addr(), node)
			r.touchNodes(r.hosts.all(net.Addr()))
		}
	}
}

// touchNodes marks nodes.
func (r *reach) touchNodes(names iter.Seq[string]) {
	for name := range names {
		r.dirtyNode[name] = struct{}{}
	}
}

// claim notes that a node has the addresses of an end of a tunnel, or has them no more.
func (r *reach) claim(n *tunnelNode, k int, node string, has bool) {
	addrs, macs, keys := r.addrs.remove, r.macs.remove, r.keys.remove
	if has {
		addrs, macs, keys = r.addrs.add, r.macs.add, r.keys.add
	}
	addrs(n.tunnel[k], node)
	if n.mac[k] != (desired.MAC{}) {
		macs(n.mac[k], node)
	}
	if n.key[k] != (desired.Key{}) {
		keys(n.key[k], node)
	}
}

// tunnelNodes are all nodes by name.
type tunnelNodes map[string]*tunnelNode

// members are the addresses of all nodes: one that several have comes several times.
func (nodes tunnelNodes) members() iter.Seq[desired.Member] {
	return func(yield func(desired.Member) bool) {
		for _, n := range nodes {
			for m := range n.members() {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// members are a node's addresses; none has none.
func (n *tunnelNode) members() iter.Seq[desired.Member] {
	return func(yield func(desired.Member) bool) {
		if n == nil {
			return
		}
		for _, s := range n.subnet {
			if s.IsValid() && !yield(desired.Member{Prefix: desired.HostPrefix(s.Addr())}) {
				return
			}
		}
	}
}

// owners knows who has one thing each: the first by name counts. A name may be there several times.
type owners[K comparable] map[K]owner

// owner is the first, and the others behind it, sorted. There are rarely any.
type owner struct {
	first string
	rest  []string
}

func (o owners[K]) first(k K) string { return o[k].first }

// all yields the owners of a thing in order.
func (o owners[K]) all(k K) iter.Seq[string] {
	return func(yield func(string) bool) {
		has, ok := o[k]
		if !ok || !yield(has.first) {
			return
		}
		for _, name := range has.rest {
			if !yield(name) {
				return
			}
		}
	}
}

func (o owners[K]) add(k K, name string) {
	has, ok := o[k]
	if !ok {
		o[k] = owner{first: name}
		return
	}
	has.first, name = min(has.first, name), max(has.first, name)
	at, _ := slices.BinarySearch(has.rest, name)
	has.rest = slices.Insert(has.rest, at, name)
	o[k] = has
}

func (o owners[K]) remove(k K, name string) {
	has, ok := o[k]
	at, behind := slices.BinarySearch(has.rest, name)
	switch {
	case behind:
		has.rest = slices.Delete(has.rest, at, at+1)
	case !ok || has.first != name:
		return
	case len(has.rest) == 0:
		delete(o, k)
		return
	default:
		has.first = has.rest[0]
		has.rest = slices.Delete(has.rest, 0, 1)
	}
	o[k] = has
}
