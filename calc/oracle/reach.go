// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
)

// tunnelEnd is one node's end of the tunnel of a family.
type tunnelEnd struct {
	node   string
	subnet netip.Prefix
	addr   netip.Addr
	mac    desired.MAC
	key    desired.Key
}

// complete tells whether the node can be on the tunnel.
func (e tunnelEnd) complete() bool { return e.subnet.IsValid() && e.addr.IsValid() }

// wireguard returns what a Node states of WireGuard, nothing where it states none.
func wireguard(s *v3.NodeSpec) v3.NodeWireguard {
	if s.Wireguard == nil {
		return v3.NodeWireguard{}
	}
	return *s.Wireguard
}

// kind is one of the tunnels that a node may have.
type kind struct {
	desired.TunnelKind
	device string
	family int
	mac    bool
	addr   func(*v3.NodeSpec) string
}

var kinds = []kind{
	{desired.VXLAN4, "vxlan.calico", 0, true, func(s *v3.NodeSpec) string { return s.IPv4VXLANTunnelAddr }},
	{desired.VXLAN6, "vxlan-v6.calico", 1, true, func(s *v3.NodeSpec) string { return s.IPv6VXLANTunnelAddr }},
	{desired.IPIP, "tunl0", 0, false, func(s *v3.NodeSpec) string {
		if s.BGP == nil {
			return ""
		}
		return s.BGP.IPv4IPIPTunnelAddr
	}},
	{desired.WireGuard4, "wireguard.cali", 0, false, func(s *v3.NodeSpec) string { return wireguard(s).InterfaceIPv4Address }},
	{desired.WireGuard6, "wg-v6.cali", 1, false, func(s *v3.NodeSpec) string { return wireguard(s).InterfaceIPv6Address }},
}

// named are the kinds with the devices called as a node's FelixConfigurations say.
func (c *Cluster) named(me string) []kind {
	out := slices.Clone(kinds)
	for _, config := range []string{"default", "node." + me} {
		if f := c.felix[config]; f != nil {
			for i, name := range map[int]*string{3: f.Spec.WireguardInterfaceName, 4: f.Spec.WireguardInterfaceNameV6} {
				if name != nil {
					out[i].device = *name
				}
			}
		}
	}
	return out
}

// encrypts tells whether a node is to encrypt a family.
func (c *Cluster) encrypts(me string, family int) bool {
	on := false
	for _, config := range []string{"default", "node." + me} {
		if f := c.felix[config]; f != nil {
			if stated := []*bool{f.Spec.WireguardEnabled, f.Spec.WireguardEnabledV6}[family]; stated != nil {
				on = *stated
			}
		}
	}
	return on
}

// end returns a node's end of a tunnel.
func (c *Cluster) end(name string, k kind) tunnelEnd {
	e := tunnelEnd{node: name}
	if k.mac {
		e.mac = calc.TunnelMAC(name, k.family)
	}
	n := c.node(name)
	if n == nil {
		return e
	}
	if bgp := n.Spec.BGP; bgp != nil {
		e.subnet, _ = v3.ParseInterfaceCIDR([]string{bgp.IPv4Address, bgp.IPv6Address}[k.family])
	}
	e.addr, _ = netip.ParseAddr(k.addr(&n.Spec))
	if n.Status != nil && k.Encrypts() {
		e.key, _ = v3.ParseWireGuardKey([]string{n.Status.WireguardPublicKey, n.Status.WireguardPublicKeyV6}[k.family])
	}
	if text := []string{n.Spec.VXLANTunnelMACAddr, n.Spec.VXLANTunnelMACAddrV6}[k.family]; k.mac && text != "" {
		mac, _ := net.ParseMAC(text)
		copy(e.mac[:], mac)
	}
	return e
}

// kindOf returns the kind of tunnel that a pool has, and the mode of its use.
func kindOf(p *v3.IPPool) (kind, v3.EncapMode) {
	cidr, err := v3.ParseCIDR(p.Spec.CIDR)
	switch {
	case err == nil && cidr.Addr().Is6():
		return kinds[1], p.Spec.VXLANMode
	case p.Spec.VXLANMode == v3.EncapAlways || p.Spec.VXLANMode == v3.EncapCrossSubnet:
		return kinds[0], p.Spec.VXLANMode
	}
	return kinds[2], p.Spec.IPIPMode
}

// tunnelsOf fills in the tunnels of a node, their peers and the routes to other nodes.
func (c *Cluster) tunnelsOf(me string, d *desired.Delta) {
	for _, k := range c.named(me) {
		own := c.end(me, k)
		if addr := c.TunnelAddrs[me][k.TunnelKind]; addr.IsValid() {
			own.addr = addr
		}
		if c.node(me) == nil || !own.complete() || !c.tunnelWanted(me, k) {
			continue
		}
		d.Tunnels = append(d.Tunnels, c.tunnel(me, k, own))
		for _, p := range c.tunnelPeers(me, k) {
			d.TunnelPeers = append(d.TunnelPeers, desired.TunnelPeer{
				ID: desired.TunnelPeerID{Tunnel: k.device, Node: p.node}, Remote: p.subnet.Addr(), Addr: p.addr, MAC: p.mac, Key: p.key, Nets: c.netsOf(me, p.node, k),
			})
		}
	}
	// The routes to peers' addresses on tunnels: where packets are encrypted first.
	for _, p := range d.TunnelPeers {
		if c.meets(me, p) {
			d.Routes = append(d.Routes, desired.Route{Dst: desired.HostPrefix(p.Addr), Kind: desired.RouteTunnel, Interface: p.ID.Tunnel})
		}
	}
	for _, p := range d.TunnelPeers {
		if p.Addr.Is6() && p.Key == (desired.Key{}) && !slices.ContainsFunc(d.Routes, func(r desired.Route) bool { return r.Dst == desired.HostPrefix(p.Addr) }) {
			d.Routes = append(d.Routes, desired.Route{Dst: desired.HostPrefix(p.Addr), Kind: desired.RouteTunnel, Interface: p.ID.Tunnel})
		}
	}
	for _, dst := range c.destinations(me) {
		taken := slices.ContainsFunc(d.Routes, func(r desired.Route) bool { return r.Dst == dst })
		if r, ok := c.routeTo(dst, me, d); ok && !taken {
			d.Routes = append(d.Routes, r)
		}
	}
}

// meets tells whether a node encrypts what it sends to a peer.
func (c *Cluster) meets(me string, p desired.TunnelPeer) bool {
	_, met := c.Met[me][p.ID]
	return met && p.Key != desired.Key{}
}

// netsOf are what WireGuard takes from a node: the destinations of others that lead there, and the node's addresses on tunnels.
func (c *Cluster) netsOf(me, node string, k kind) []netip.Prefix {
	if !k.Encrypts() {
		return nil
	}
	var out []netip.Prefix
	elsewhere := map[netip.Prefix]bool{}
	for _, dst := range c.destinations(me) {
		pool := c.poolAround(dst, me)
		if pool == nil || dst.Addr().Is6() != (k.family == 1) {
			continue
		}
		switch c.otherNode(dst, me, pool) {
		case node:
			out = append(out, dst)
		case "":
		default:
			elsewhere[dst] = true
		}
	}
	for _, other := range kinds {
		e := c.end(node, other)
		if dst := desired.HostPrefix(e.addr); e.addr.IsValid() && e.addr.Is6() == (k.family == 1) && !elsewhere[dst] && c.firstWith(me, e) {
			out = append(out, dst)
		}
	}
	if host := desired.HostPrefix(c.end(node, k).subnet.Addr()); !elsewhere[host] && !slices.Contains(out, host) && c.firstAt(me, node, k) {
		out = append(out, host)
	}
	return inOrder(out)
}

// firstAt tells whether no other node before this one has its own address.
func (c *Cluster) firstAt(me, node string, k kind) bool {
	addr := c.end(node, k).subnet.Addr()
	return !slices.ContainsFunc(c.nodes, func(n *v3.Node) bool {
		return n.Name != me && n.Name < node && c.end(n.Name, k).subnet.Addr() == addr
	})
}

// firstWith tells whether no other node before this one has the address.
func (c *Cluster) firstWith(me string, e tunnelEnd) bool {
	return !slices.ContainsFunc(c.allEnds(), func(other tunnelEnd) bool { return other.node != me && other.addr == e.addr && other.node < e.node })
}

func (c *Cluster) tunnelWanted(me string, k kind) bool {
	if k.Encrypts() {
		return c.encrypts(me, k.family) && slices.ContainsFunc(c.pools, func(p *v3.IPPool) bool {
			cidr, err := v3.ParseCIDR(p.Spec.CIDR)
			return err == nil && cidr.Addr().Is6() == (k.family == 1)
		})
	}
	for _, name := range []string{"node." + me, "default"} {
		f := c.felix[name]
		if f == nil {
			continue
		}
		on := f.Spec.VXLANEnabled
		if k.TunnelKind == desired.IPIP {
			on = f.Spec.IPIPEnabled
		}
		if on != nil && !*on {
			return false
		}
		if on != nil {
			break
		}
	}
	return slices.ContainsFunc(c.pools, func(p *v3.IPPool) bool {
		has, _ := kindOf(p)
		return overlaid(p) && has.TunnelKind == k.TunnelKind
	})
}

func overlaid(p *v3.IPPool) bool {
	_, mode := kindOf(p)
	_, err := v3.ParseCIDR(p.Spec.CIDR)
	return err == nil && (mode == v3.EncapAlways || mode == v3.EncapCrossSubnet)
}

// tunnel reads the FelixConfigurations, the weaker first.
func (c *Cluster) tunnel(me string, k kind, own tunnelEnd) desired.Tunnel {
	t := desired.Tunnel{Kind: k.TunnelKind, Name: k.device, Local: own.subnet.Addr(), Addr: own.addr, MAC: own.mac}
	switch k.TunnelKind {
	case desired.IPIP:
	case desired.WireGuard4:
		t.Port = 51820
	case desired.WireGuard6:
		t.Port = 51821
	default:
		t.VNI, t.Port = 4096, 4789
	}
	for _, name := range []string{"default", "node." + me} {
		f := c.felix[name]
		if f == nil {
			continue
		}
		if vni := f.Spec.VXLANVNI; vni != nil && k.mac {
			t.VNI = uint32(*vni)
		}
		ports := []*int{f.Spec.VXLANPort, f.Spec.VXLANPort, nil, f.Spec.WireguardListeningPort, f.Spec.WireguardListeningPortV6}
		if port := ports[k.TunnelKind]; port != nil {
			t.Port = uint16(*port)
		}
		if alive := f.Spec.WireguardKeepAlive; alive != nil && k.Encrypts() {
			t.Keepalive = alive.Duration
		}
		if on := f.Spec.WireguardThreadingEnabled; on != nil && k.Encrypts() {
			t.Threaded = *on
		}
		if mtu := []*int{f.Spec.VXLANMTU, f.Spec.VXLANMTUV6, f.Spec.IPIPMTU, f.Spec.WireguardMTU, f.Spec.WireguardMTUV6}[k.TunnelKind]; mtu != nil {
			t.MTU = *mtu
		}
	}
	if k.Encrypts() {
		t.Key, t.Hosts = own.key, c.hostRouting(me)
	}
	return t
}

// hostRouting reads the FelixConfigurations, the weaker first.
func (c *Cluster) hostRouting(me string) desired.HostRouting {
	r, on := desired.HostRouting{Table: 1, Priority: 99}, false
	for _, name := range []string{"default", "node." + me} {
		f := c.felix[name]
		if f == nil {
			continue
		}
		if stated := f.Spec.WireguardHostEncryptionEnabled; stated != nil {
			on = *stated
		}
		if priority := f.Spec.WireguardRoutingRulePriority; priority != nil {
			r.Priority = uint32(*priority)
		}
		if tables := f.Spec.RouteTableRange; tables != nil {
			r.Table = uint32(tables.Min)
		}
		if tables := f.Spec.RouteTableRanges; len(tables) > 0 {
			r.Table = uint32(tables[0].Min)
		}
	}
	if !on {
		return desired.HostRouting{}
	}
	return r
}

// tunnelPeers returns the other nodes on the tunnel: of several with one address, MAC address or key on any tunnel only the first.
func (c *Cluster) tunnelPeers(me string, k kind) []tunnelEnd {
	var out []tunnelEnd
	for _, n := range c.sortedNodes() {
		e := c.end(n.Name, k)
		if n.Name == me || !e.complete() || k.Encrypts() && e.key == (desired.Key{}) {
			continue
		}
		before := func(other tunnelEnd) bool {
			return other.node != me && other.addr.IsValid() && strings.Compare(other.node, e.node) < 0 && (other.addr == e.addr || k.mac && other.mac == e.mac || k.Encrypts() && other.key == e.key)
		}
		if !slices.ContainsFunc(c.allEnds(), before) {
			out = append(out, e)
		}
	}
	return out
}

func (c *Cluster) allEnds() []tunnelEnd {
	var out []tunnelEnd
	for _, n := range c.nodes {
		for _, k := range kinds {
			out = append(out, c.end(n.Name, k))
		}
	}
	return out
}

// destinations are the blocks, the workloads' addresses and the floating ones of other nodes.
func (c *Cluster) destinations(me string) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range c.affinities {
		if a.Spec.Node != me {
			out = append(out, c.blocks(a.Spec.Node)...)
		}
	}
	for _, w := range c.workloads {
		if w.object.Spec.Node != me {
			out = append(out, w.nets...)
			out = append(out, c.floatsOf(&w)...)
		}
	}
	return inOrder(out)
}

// routeTo returns the route to a destination of another node, if it is encrypted or in a pool with an encapsulation.
func (c *Cluster) routeTo(dst netip.Prefix, me string, d *desired.Delta) (desired.Route, bool) {
	pool := c.poolAround(dst, me)
	if pool == nil {
		return desired.Route{}, false
	}
	node := c.otherNode(dst, me, pool)
	k, mode := kindOf(pool)
	a, b := c.end(me, k), c.end(node, k)
	if i := slices.IndexFunc(d.TunnelPeers, func(p desired.TunnelPeer) bool {
		return p.ID.Node == node && p.Addr.Is6() == dst.Addr().Is6() && c.meets(me, p)
	}); i >= 0 {
		return desired.Route{Dst: dst, Kind: desired.RouteTunnel, Interface: d.TunnelPeers[i].ID.Tunnel}, true
	}
	switch {
	case node == "" || !a.subnet.IsValid() || !b.subnet.IsValid() || !overlaid(pool):
		return desired.Route{}, false
	case mode == v3.EncapCrossSubnet && a.subnet.Masked().Contains(b.subnet.Addr()) && b.subnet.Masked().Contains(a.subnet.Addr()):
		return desired.Route{Dst: dst, Kind: desired.RouteNode, Via: b.subnet.Addr()}, true
	}
	via := b.addr
	if k.TunnelKind == desired.IPIP {
		via = b.subnet.Addr()
	}
	known := slices.ContainsFunc(d.TunnelPeers, func(p desired.TunnelPeer) bool { return p.ID == desired.TunnelPeerID{Tunnel: k.device, Node: node} })
	return desired.Route{Dst: dst, Kind: desired.RouteTunnel, Interface: k.device, Via: via}, known
}

// poolAround returns the pool that holds dst, if it has an encapsulation or packets are encrypted.
func (c *Cluster) poolAround(dst netip.Prefix, me string) *v3.IPPool {
	family := 0
	if dst.Addr().Is6() {
		family = 1
	}
	for _, p := range c.pools {
		cidr, err := v3.ParseCIDR(p.Spec.CIDR)
		if err == nil && cidr.Bits() <= dst.Bits() && cidr.Contains(dst.Addr()) && (overlaid(p) || c.encrypts(me, family)) {
			return p
		}
	}
	return nil
}

// floatsOf are the floating addresses of a workload, if they are in use on its node.
func (c *Cluster) floatsOf(w *workload) (out []netip.Prefix) {
	if c.floatingOn(w.object.Spec.Node) {
		for _, nat := range w.object.Spec.IPNATs {
			out = append(out, desired.HostPrefix(netip.MustParseAddr(nat.ExternalIP)))
		}
	}
	return out
}

// otherNode returns the node that a destination leads to: of the block, or of the workload with the address, else with the floating address, unless its
// node has the block around it.
func (c *Cluster) otherNode(dst netip.Prefix, me string, pool *v3.IPPool) string {
	if owner := c.blockOwner(dst, me); owner != "" || !dst.IsSingleIP() {
		return owner
	}
	newest := c.newest(me, func(w *workload) bool { return w.has(dst.Addr()) })
	if newest == nil {
		newest = c.newest(me, func(w *workload) bool { return slices.Contains(c.floatsOf(w), dst) })
	}
	if newest == nil {
		return ""
	}
	size := 26
	if dst.Addr().Is6() {
		size = 122
	}
	if pool.Spec.BlockSize != nil {
		size = *pool.Spec.BlockSize
	}
	if c.blockOwner(netip.PrefixFrom(dst.Addr(), size).Masked(), me) == newest.object.Spec.Node {
		return ""
	}
	return newest.object.Spec.Node
}

// newest returns the newest workload of other nodes that has something, nil if none has.
func (c *Cluster) newest(me string, has func(*workload) bool) (newest *workload) {
	for i := range c.workloads {
		w := &c.workloads[i]
		if w.object.Spec.Node == me || !has(w) {
			continue
		}
		if newest == nil || w.version.Revision > newest.version.Revision ||
			w.version.Revision == newest.version.Revision && w.object.Spec.Node < newest.object.Spec.Node {
			newest = w
		}
	}
	return newest
}

// blockOwner returns the first other node by name that has exactly this block.
func (c *Cluster) blockOwner(block netip.Prefix, me string) (owner string) {
	for _, a := range c.affinities {
		if node := a.Spec.Node; node != me && slices.Contains(c.blocks(node), block) && (owner == "" || node < owner) {
			owner = node
		}
	}
	return owner
}
