// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/selector"
)

// bgp returns the speaker of a node, nil if it has none.
func (c *Cluster) bgp(node string) *desired.BGP {
	me := c.node(node)
	if me == nil || me.Spec.BGP == nil {
		return nil
	}
	out := &desired.BGP{AS: c.asOf(me), ListenPort: c.portOf(me), ClusterID: clusterOf(me), NextHops: addrsOf(me)}
	out.RouterID = out.NextHops[0]
	switch {
	case out.NextHops == [2]netip.Addr{}:
		return nil
	case !out.RouterID.IsValid():
		h := fnv.New32a()
		h.Write([]byte(node))
		out.RouterID, _ = netip.AddrFromSlice(h.Sum(nil))
	}
	if c.bindMode(me) == "NodeIP" {
		for _, a := range out.NextHops {
			if a.IsValid() {
				out.Listen = append(out.Listen, a)
			}
		}
	}
	for _, peer := range c.candidates(me) {
		taken := slices.ContainsFunc(out.Peers, func(p desired.Peer) bool { return p.Addr == peer.Addr })
		if own := out.NextHops[index(peer.Addr)]; own.IsValid() && own != peer.Addr && !taken {
			out.Peers = append(out.Peers, peer)
		}
	}
	if mesh := c.config("default").NodeToNodeMeshEnabled; len(out.Peers) == 0 && mesh != nil && !*mesh {
		return nil
	}
	slices.SortFunc(out.Peers, func(a, b desired.Peer) int { return strings.Compare(a.Name, b.Name) })
	out.Advertise, out.ExportOnly = c.advertised(node), c.poolsToExport(true)
	for _, p := range c.serviceAdverts(me) {
		if out.NextHops[index(p.Addr())].IsValid() {
			out.Advertise = append(out.Advertise, p)
		}
	}
	out.Advertise = inOrder(out.Advertise)
	return out
}

// candidates returns all sessions that anything asks for, the ones that take precedence first.
func (c *Cluster) candidates(me *v3.Node) []desired.Peer {
	var own, toMe, global, globalToMe, mesh []desired.Peer
	peers := slices.SortedFunc(slices.Values(c.bgpPeers), func(a, b *v3.BGPPeer) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range peers {
		if p.Spec.Password != nil {
			continue // without Secrets there is no session
		}
		isGlobal := p.Spec.Node == "" && p.Spec.NodeSelector == ""
		forward, back := c.forward(p, me), c.reverse(p, me)
		if isGlobal {
			global, globalToMe = append(global, forward...), append(globalToMe, back...)
		} else {
			own, toMe = append(own, forward...), append(toMe, back...)
		}
	}
	config := c.config("default")
	if (config.NodeToNodeMeshEnabled == nil || *config.NodeToNodeMeshEnabled) && config.NodeMeshPassword == nil && !clusterOf(me).IsValid() {
		for _, n := range c.sortedNodes() {
			if !clusterOf(n).IsValid() {
				mesh = append(mesh, c.withNode(me, n, desired.Peer{Kind: desired.PeerMesh, AS: c.asOf(n), RestartSeconds: restart(config.NodeMeshMaxRestartTime)}, true)...)
			}
		}
	}
	return slices.Concat(own, toMe, global, globalToMe, mesh)
}

// forward returns the sessions of a BGPPeer whose near side includes me.
func (c *Cluster) forward(p *v3.BGPPeer, me *v3.Node) []desired.Peer {
	if !near(p, me) {
		return nil
	}
	kind := desired.PeerNode
	if p.Spec.Node == "" && p.Spec.NodeSelector == "" {
		kind = desired.PeerGlobal
	}
	var out []desired.Peer
	if p.Spec.PeerIP != "" {
		addr, port, err := v3.ParsePeerIP(p.Spec.PeerIP)
		if err != nil || !addrsOf(me)[index(addr)].IsValid() {
			return nil
		}
		session := settings(p)
		session.Kind, session.Addr, session.Port, session.AS = kind, addr, port, p.Spec.ASNumber.Value
		if port == 0 {
			session.Port = 179
		}
		return []desired.Peer{c.complete(p, me, c.nodeAt(addr), session)}
	}
	for _, n := range c.sortedNodes() {
		if far(p, n) {
			session := settings(p)
			session.Kind, session.AS = kind, c.asOf(n)
			for _, s := range c.withNode(me, n, session, p.Spec.ReversePeering != "Manual") {
				out = append(out, c.complete(p, me, n, s))
			}
		}
	}
	return out
}

// reverse returns the sessions of a BGPPeer whose far side includes me.
func (c *Cluster) reverse(p *v3.BGPPeer, me *v3.Node) []desired.Peer {
	if !far(p, me) || p.Spec.ReversePeering == "Manual" {
		return nil
	}
	var out []desired.Peer
	for _, n := range c.sortedNodes() {
		if near(p, n) {
			session := settings(p)
			session.Kind, session.AS, session.LocalAS = desired.PeerNode, c.asOf(n), 0
			if p.Spec.LocalASNumber != nil {
				session.AS = p.Spec.LocalASNumber.Value
			}
			for _, s := range c.withNode(me, n, session, true) {
				out = append(out, c.complete(p, me, n, s))
			}
		}
	}
	return out
}

// withNode returns a session with another node in each family that both have. With bothEnds, the one with the smaller address waits.
func (c *Cluster) withNode(me, n *v3.Node, session desired.Peer, bothEnds bool) []desired.Peer {
	var out []desired.Peer
	mine, theirs := addrsOf(me), addrsOf(n)
	for i := range theirs {
		if n.Name == me.Name || !mine[i].IsValid() || !theirs[i].IsValid() {
			continue
		}
		session.Addr, session.Port = theirs[i], c.portOf(n)
		session.Passive = bothEnds && mine[i].String() < theirs[i].String()
		if session.Kind == desired.PeerMesh {
			session = c.complete(&v3.BGPPeer{}, me, n, session)
		}
		out = append(out, session)
	}
	return out
}

// complete fills in what depends on both ends. other is the node at the far end, nil if it is none.
func (c *Cluster) complete(p *v3.BGPPeer, me, other *v3.Node, s desired.Peer) desired.Peer {
	localAS := c.asOf(me)
	if s.LocalAS != 0 {
		localAS = s.LocalAS
	}
	if p.Spec.KeepOriginalNextHop != nil && *p.Spec.KeepOriginalNextHop && s.AS != localAS {
		s.NextHop = desired.NextHopKeep
	}
	s.Source = netip.Addr{}
	if p.Spec.SourceAddress != "None" {
		s.Source = addrsOf(me)[index(s.Addr)]
	}
	var cluster netip.Addr
	if other != nil {
		cluster = clusterOf(other)
	}
	s.RRClient = clusterOf(me).IsValid() && s.AS == localAS && cluster != clusterOf(me)
	s.Name = name(&s)
	return s
}

// near tells whether a node is among those that a BGPPeer configures; far, whether it is among those it peers them with.
func near(p *v3.BGPPeer, n *v3.Node) bool {
	if p.Spec.Node != "" {
		return p.Spec.Node == n.Name
	}
	return p.Spec.NodeSelector == "" || matches(p.Spec.NodeSelector, n)
}

func far(p *v3.BGPPeer, n *v3.Node) bool {
	return p.Spec.PeerSelector != "" && matches(p.Spec.PeerSelector, n)
}

func matches(text string, n *v3.Node) bool {
	s, err := selector.Parse(text)
	return err == nil && s.Matches(selector.Map(n.Labels))
}
