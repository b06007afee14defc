// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/scratch"
)

// reach works out the tunnels of this node and the routes to addresses of other nodes that do not come from BGP: those of IP pools with an
// encapsulation, and all where packets are encrypted. Its cost follows the change: one block, one borrowed address, or one node with its
// destinations.
type reach struct {
	self    string
	items   *items
	routes  *routes
	nodes   tunnelNodes
	pools   []tunnelPool         // few, in no order
	blocks  owners[netip.Prefix] // which other nodes have a block
	holders holders              // which other nodes have a workload's address
	floats  floats               // and a floating one
	addrs   owners[netip.Addr]   // which other nodes have a tunnel address
	macs    owners[desired.MAC]  // which other nodes have a MAC address
	keys    owners[desired.Key]  // which other nodes have a key of WireGuard
	hosts   owners[netip.Addr]   // which other nodes have an address of their own
	configs tunnelConfigs
	guard   *tunnelGuard
	nat     *sourceNAT
	config  tunnelConfig                      // at the last flush
	own     desired.TunnelAddrs               // of this node, ahead of its Node
	met     map[desired.TunnelPeerID]struct{} // peers with whom packets can be encrypted
	// underlay counts the changes of what underlayNow returns.
	underlay uint64
	leads    map[netip.Prefix]string // the node that a destination led to at the last flush
	byNode   map[string]map[netip.Prefix]struct{}

	all       bool                      // everything may be different
	kinds     [desired.TunnelKinds]bool // of which there is a tunnel, or was one before the last change of any
	following bool                      // holders is kept
	dirtyDst  map[netip.Prefix]struct{}
	dirtyNode map[string]struct{}
	dirtyNets map[string]struct{} // nodes that destinations lead to, or have led to
	tunnels   *table[string, desired.Tunnel]
	peers     *table[desired.TunnelPeerID, desired.TunnelPeer]
}

func newReach(self string, nodes tunnelNodes, items *items, r *routes, sets *ipSets, nat *sourceNAT) *reach {
	configs := newTunnelConfigs(self)
	return &reach{
		self: self, nat: nat, config: configs.now, items: items, routes: r, guard: newTunnelGuard(sets, nodes), nodes: nodes, blocks: owners[netip.Prefix]{},
		holders: newHolders(), floats: newFloats(), addrs: owners[netip.Addr]{}, macs: owners[desired.MAC]{}, keys: owners[desired.Key]{}, hosts: owners[netip.Addr]{}, configs: configs,
		leads: map[netip.Prefix]string{}, byNode: map[string]map[netip.Prefix]struct{}{},
		dirtyDst: map[netip.Prefix]struct{}{}, dirtyNode: map[string]struct{}{}, dirtyNets: map[string]struct{}{},
		tunnels: newTable(strings.Compare, func(a, b desired.Tunnel) bool { return a == b }),
		peers:   newTable(desired.TunnelPeerID.Compare, desired.TunnelPeer.Equal),
	}
}

// tunnelPool is what reach needs of an IP pool.
type tunnelPool struct {
	name      string
	cidr      netip.Prefix
	blockSize int
	kind      desired.TunnelKind // where mode is not Never
	mode      v3.EncapMode
}

func (p tunnelPool) family() int { return family(p.cidr.Addr()) }

func (r *reach) putPool(name string, cidr netip.Prefix, obj *v3.IPPool) {
	now := tunnelPool{name: name, cidr: cidr, kind: desired.VXLAN4, mode: obj.Spec.VXLANMode, blockSize: blockSize(cidr, obj.Spec.BlockSize)}
	switch {
	case cidr.Addr().Is6():
		now.kind = desired.VXLAN6
	case !wraps(now.mode):
		now.kind, now.mode = desired.IPIP, obj.Spec.IPIPMode
	}
	if slices.Contains(r.pools, now) {
		return
	}
	r.removePool(name)
	r.pools = append(r.pools, now)
	r.all = true
	r.underlay++
}

func (r *reach) removePool(name string) {
	if at := slices.IndexFunc(r.pools, func(p tunnelPool) bool { return p.name == name }); at >= 0 {
		r.pools = slices.Delete(r.pools, at, at+1)
		r.all = true
		r.underlay++
	}
}

func blockSize(cidr netip.Prefix, set *int) int {
	switch {
	case set != nil:
		return *set
	case cidr.Addr().Is4():
		return 26
	}
	return 122
}

// matters tells whether this node may have to do with routes to a pool's addresses.
func (r *reach) matters(p tunnelPool) bool { return wraps(p.mode) || r.config.encrypt[p.family()] }

// poolOf returns the pool that decides about a destination. No two of them overlap.
func (r *reach) poolOf(dst netip.Prefix) (pool tunnelPool, ok bool) {
	for _, p := range r.pools {
		if r.matters(p) && p.cidr.Bits() <= dst.Bits() && p.cidr.Contains(dst.Addr()) {
			return p, true
		}
	}
	return pool, false
}

// putBlock and removeBlock say that another node has a block, by the name of the affinity.
func (r *reach) putBlock(cidr netip.Prefix, node string) {
	r.blocks.add(cidr, node)
	r.touchBlock(cidr)
}

func (r *reach) removeBlock(cidr netip.Prefix, node string) {
	r.blocks.remove(cidr, node)
	r.touchBlock(cidr)
}

// maxBlockBits is the logarithm of the largest block's size: blockSize is at least 20, or 116.
const maxBlockBits = 12

// touchBlock marks a block and the addresses in it: they are borrowed or not by who has the block.
func (r *reach) touchBlock(cidr netip.Prefix) {
	r.dirtyDst[cidr] = struct{}{}
	if cidr.Addr().BitLen()-cidr.Bits() > maxBlockBits {
		return // no pool has such blocks
	}
	for addr := cidr.Addr(); cidr.Contains(addr); addr = addr.Next() {
		if r.holders.first[addr] != nil || r.floats.holders.first[addr] != nil {
			r.dirtyDst[desired.HostPrefix(addr)] = struct{}{}
		}
	}
}

// hold takes a workload of another node in; release takes it out, before it changes. nil is none.
func (r *reach) hold(it *item) {
	if r.follows(it) {
		r.holders.add(it)
		r.touchAddrs(it)
	}
}

func (r *reach) release(it *item) {
	if r.follows(it) {
		r.holders.remove(it)
		r.touchAddrs(it)
	}
}

func (r *reach) follows(it *item) bool { return it != nil && it.node != r.self && r.following }

func (r *reach) touchAddrs(it *item) {
	for _, net := range it.nets {
		r.dirtyDst[net] = struct{}{}
	}
}

// follow looks at all workloads when the first pool matters, and forgets them after the last. Without one they do not matter, and there may be
// 100,000 of them.
func (r *reach) follow() {
	now := false
	for _, p := range r.pools {
		now = now || r.matters(p)
	}
	if r.following != now {
		r.following, r.holders = now, newHolders()
		for _, it := range r.items.all[api.WorkloadEndpoints] {
			r.hold(it)
		}
	}
}

// nodeOf returns which other node a destination belongs to; "" for none: the node that has the block, or for an address that a node has
// outside its own blocks that node. A floating address is like one.
func (r *reach) nodeOf(dst netip.Prefix, pool tunnelPool) string {
	if node := r.blocks.first(dst); node != "" {
		return node
	}
	if !dst.IsSingleIP() {
		return ""
	}
	node := cmp.Or(r.holders.node(dst.Addr()), r.floatNode(dst.Addr()))
	block, err := dst.Addr().Prefix(pool.blockSize)
	if err == nil && node == r.blocks.first(block) {
		return "" // the block's route leads there
	}
	return node
}

// flush brings tunnels, peers and routes up to date.
func (r *reach) flush() {
	if r.all {
		r.all, r.config = false, r.configs.now
		r.follow()
		r.settleTunnels()
		for name := range r.nodes {
			r.dirtyNode[name] = struct{}{}
		}
		for dst := range r.leads {
			r.dirtyDst[dst] = struct{}{}
		}
		for cidr := range r.blocks {
			r.dirtyDst[cidr] = struct{}{}
		}
		for addr := range r.holders.first {
			r.dirtyDst[desired.HostPrefix(addr)] = struct{}{}
		}
		r.touchFloats()
	}
	for name := range r.dirtyNode {
		r.settlePeer(name)
		for dst := range r.byNode[name] {
			r.dirtyDst[dst] = struct{}{}
		}
	}
	for dst := range r.dirtyDst {
		r.settleRoute(dst)
	}
	for name := range r.dirtyNets {
		r.settleNets(name)
	}
	scratch.Empty(&r.dirtyNode)
	scratch.Empty(&r.dirtyDst)
	scratch.Empty(&r.dirtyNets)
}

// setMet says with which peers packets can be encrypted: until both know each other's key, they go as they would without.
func (r *reach) setMet(now map[desired.TunnelPeerID]struct{}) {
	for _, set := range []map[desired.TunnelPeerID]struct{}{r.met, now} {
		for id := range set {
			_, before := r.met[id]
			if _, after := now[id]; before != after {
				r.dirtyNode[id.Node] = struct{}{}
			}
		}
	}
	r.met = now
}

func (r *reach) setOwn(addrs desired.TunnelAddrs) {
	r.all = r.all || r.own != addrs
	r.own = addrs
}

// ownAddr returns this node's address on a tunnel.
func (r *reach) ownAddr(k desired.TunnelKind) netip.Addr {
	if me := r.nodes[r.self]; me != nil && !r.own[k].IsValid() {
		return me.tunnel[k]
	}
	return r.own[k]
}

// settleTunnels makes the devices of this node: those that a pool needs and for which this node has both addresses.
func (r *reach) settleTunnels() {
	needs, c, me := r.needs(), r.config, r.nodes[r.self]
	for k, name := range c.names {
		_, r.kinds[k] = r.tunnels.get(name)
	}
	for t := range r.tunnels.all() {
		if t.Name != c.names[t.Kind] {
			r.tunnels.remove(t.Name)
		}
	}
	for p := range r.peers.all() {
		if !slices.Contains(c.names[:], p.ID.Tunnel) {
			r.peers.remove(p.ID)
		}
	}
	for i, name := range c.names {
		k := desired.TunnelKind(i)
		if !needs[k] || me == nil || !me.subnet[k.Family()].IsValid() || !r.ownAddr(k).IsValid() {
			r.tunnels.remove(name)
			continue
		}
		t := desired.Tunnel{Kind: k, Name: name, Local: me.subnet[k.Family()].Addr(), Addr: r.ownAddr(k), MTU: c.mtu[k]}
		switch {
		case k.Encrypts():
			t.Port, t.Key, t.Keepalive, t.Hosts, t.Threaded = c.wgPort[k.Family()], me.key[k], c.keepalive, c.hosts, c.threaded
		case k != desired.IPIP:
			t.MAC, t.VNI, t.Port = me.mac[k], c.vni, c.port
		}
		r.tunnels.put(name, t)
		r.kinds[k] = true
	}
}

// needs tells by kind whether this node is to have a tunnel, for which it needs an address.
func (r *reach) needs() (needs [desired.TunnelKinds]bool) {
	c := &r.configs.now
	for _, p := range r.pools {
		if wraps(p.mode) {
			on := c.enabled[p.kind]
			needs[p.kind] = on == nil || *on
		}
		if c.encrypt[p.family()] {
			needs[desired.EncryptingKind(p.family())] = true
		}
	}
	return needs
}

// settlePeer makes another node known on the tunnels.
func (r *reach) settlePeer(name string) {
	if name == r.self {
		return
	}
	r.dirtyNets[name] = struct{}{}
	for i, device := range r.config.names {
		k := desired.TunnelKind(i)
		if !r.kinds[k] {
			continue
		}
		id := desired.TunnelPeerID{Tunnel: device, Node: name}
		r.touchPeer(id, k)
		if _, ok := r.tunnels.get(device); ok && r.reachable(name, k) {
			n := r.nodes[name]
			old, _ := r.peers.get(id)
			r.peers.put(id, desired.TunnelPeer{ID: id, Remote: n.subnet[k.Family()].Addr(), Addr: n.tunnel[k], MAC: n.mac[k], Key: n.key[k], Nets: old.Nets})
		} else {
			r.peers.remove(id)
		}
		r.touchPeer(id, k)
	}
}

// settleNets says what WireGuard takes from a node.
func (r *reach) settleNets(name string) {
	for f := range 2 {
		id := desired.TunnelPeerID{Tunnel: r.config.names[desired.EncryptingKind(f)], Node: name}
		if p, ok := r.peers.get(id); ok {
			p.Nets = r.netsOf(name, f)
			r.peers.put(id, p)
		}
	}
}

// netsOf returns the destinations of a family that lead to a node, the node's addresses on tunnels, and its own: it may encrypt what it sends itself
// before this node does.
func (r *reach) netsOf(name string, f int) (nets []netip.Prefix) {
	for dst := range r.byNode[name] {
		if family(dst.Addr()) == f {
			nets = append(nets, dst)
		}
	}
	for _, addr := range r.nodes[name].tunnel {
		dst := desired.HostPrefix(addr)
		if _, led := r.leads[dst]; addr.IsValid() && family(addr) == f && !led && r.addrs.first(addr) == name {
			nets = append(nets, dst)
		}
	}
	if host := desired.HostPrefix(r.nodes[name].subnet[f].Addr()); r.hosts.first(host.Addr()) == name && r.leads[host] == "" {
		nets = append(nets, host)
	}
	return sortedPrefixes(nets)
}

// peerRouted are the tunnels with routes to the peers' addresses on them: with VXLAN over IPv6, because the kernel takes no next hop there, on link
// or not, that another route leads over another device, such as the one to be replaced; with WireGuard, because an address may be borrowed.
var peerRouted = []desired.TunnelKind{desired.WireGuard4, desired.WireGuard6, desired.VXLAN6}

// touchPeer marks the route to the tunnel address of a peer.
func (r *reach) touchPeer(id desired.TunnelPeerID, k desired.TunnelKind) {
	if !slices.Contains(peerRouted, k) {
		return
	}
	if p, ok := r.peers.get(id); ok {
		r.dirtyDst[desired.HostPrefix(p.Addr)] = struct{}{}
	}
}

// peerRoute returns the route to a peer's tunnel address.
func (r *reach) peerRoute(dst netip.Prefix) (route desired.Route, ok bool) {
	if !dst.IsSingleIP() {
		return route, false
	}
	for _, k := range peerRouted {
		name := r.config.names[k]
		id := desired.TunnelPeerID{Tunnel: name, Node: r.addrs.first(dst.Addr())}
		if p, ok := r.peers.get(id); ok && p.Addr == dst.Addr() && (!k.Encrypts() || r.encrypts(id)) {
			return desired.Route{Dst: dst, Kind: desired.RouteTunnel, Interface: name}, true
		}
	}
	return route, false
}

// encrypts tells whether packets to a peer are encrypted.
func (r *reach) encrypts(id desired.TunnelPeerID) bool {
	_, peer := r.peers.get(id)
	_, met := r.met[id]
	return peer && met
}

// reachable tells whether a node can be a peer: it has what a peer needs, and no other node before it has the same.
func (r *reach) reachable(name string, k desired.TunnelKind) bool {
	n := r.nodes[name]
	return n != nil && n.subnet[k.Family()].IsValid() && n.tunnel[k].IsValid() && r.addrs.first(n.tunnel[k]) == name &&
		(n.mac[k] == desired.MAC{} || r.macs.first(n.mac[k]) == name) && (!k.Encrypts() || r.keys.first(n.key[k]) == name)
}

// settleRoute leads a destination to the node that it belongs to.
func (r *reach) settleRoute(dst netip.Prefix) {
	pool, ok := r.poolOf(dst)
	node := ""
	if ok {
		node = r.nodeOf(dst, pool)
	}
	r.lead(dst, node)
	if route, ok := r.peerRoute(dst); ok {
		r.routes.setRemote(route)
		return
	}
	if route, ok := r.route(dst, node, pool); ok {
		r.routes.setRemote(route)
	} else {
		r.routes.removeRemote(dst)
	}
}

// lead notes which node a destination leads to.
func (r *reach) lead(dst netip.Prefix, node string) {
	if dst.IsSingleIP() {
		r.dirtyNets[r.addrs.first(dst.Addr())] = struct{}{} // it may be the address of a tunnel
		r.dirtyNets[r.hosts.first(dst.Addr())] = struct{}{} // or a node's own
	}
	if old, ok := r.leads[dst]; ok && old != node {
		r.dirtyNets[old] = struct{}{}
		delete(r.byNode[old], dst)
		if len(r.byNode[old]) == 0 {
			delete(r.byNode, old)
		}
	}
	if node == "" {
		delete(r.leads, dst)
		return
	}
	r.leads[dst], r.dirtyNets[node] = node, struct{}{}
	if r.byNode[node] == nil {
		r.byNode[node] = map[netip.Prefix]struct{}{}
	}
	r.byNode[node][dst] = struct{}{}
}

// route returns the way to a destination on another node.
func (r *reach) route(dst netip.Prefix, node string, pool tunnelPool) (route desired.Route, ok bool) {
	me, n, f := r.nodes[r.self], r.nodes[node], family(dst.Addr())
	if node == "" || me == nil || n == nil || !me.subnet[f].IsValid() || !n.subnet[f].IsValid() {
		return route, false
	}
	wireguard := desired.TunnelPeerID{Tunnel: r.config.names[desired.EncryptingKind(f)], Node: node}
	switch encapOf(pool.mode, r.encrypts(wireguard), me.subnet[f], n.subnet[f]) {
	case encapWireGuard:
		return desired.Route{Dst: dst, Kind: desired.RouteTunnel, Interface: wireguard.Tunnel}, true
	case encapDirect:
		return desired.Route{Dst: dst, Kind: desired.RouteNode, Via: n.subnet[f].Addr()}, true
	case encapTunnel:
		device := r.config.names[pool.kind]
		p, ok := r.peers.get(desired.TunnelPeerID{Tunnel: device, Node: node})
		via := p.Addr
		if pool.kind == desired.IPIP { // it wraps packets for their next hop
			via = p.Remote
		}
		return desired.Route{Dst: dst, Kind: desired.RouteTunnel, Interface: device, Via: via}, ok
	}
	return route, false
}

// problems reports a node without the address that its tunnel needs, and nodes that share what each needs for itself.
func (r *reach) problems() problems {
	out := problems{}
	if me := r.nodes[r.self]; me != nil {
		for i, needed := range r.needs() {
			k := desired.TunnelKind(i)
			if needed && me.subnet[k.Family()].IsValid() && !r.ownAddr(k).IsValid() {
				out.add(api.Key{Resource: api.Nodes, Name: r.self}, tunnelAddressFields[k],
					"the node has no address for its tunnel yet, so that "+withoutAddress[k]+"; its agent takes one from a pool with allowedUses Tunnel")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.nodes)) {
		r.sharing(out, name)
	}
	return out
}

// sharing reports what a node has that another has before it.
func (r *reach) sharing(out problems, name string) {
	key := api.Key{Resource: api.Nodes, Name: name}
	n := r.nodes[name]
	for k, addr := range n.tunnel {
		if first := r.addrs.first(addr); first != "" && first != name && name != r.self {
			out.add(key, tunnelAddressFields[k], addr.String()+" is also the tunnel address of node "+first+", which alone is reached; delete it here")
		}
		if first := r.macs.first(n.mac[k]); addr.IsValid() && first != "" && first != name && name != r.self {
			out.add(key, tunnelMACFields[k], "node "+first+" has the same MAC address, and alone is reached; delete it here")
		}
		if first := r.keys.first(n.key[k]); addr.IsValid() && first != "" && first != name && name != r.self {
			out.add(key, tunnelKeyFields[k], "node "+first+" has the same key, and packets to it alone are encrypted; run `weft node rotate-key` there or here")
		}
	}
}
