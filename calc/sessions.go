// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// sessions collects the BGP sessions of this node, one per address of a peer: whoever adds an address first has it.
type sessions struct {
	*speaker
	me       *host
	byAddr   map[netip.Addr]session
	problems problems
}

type session struct {
	desired.Peer
	from string // name of the BGPPeer; empty for the mesh
}

// sessions works out all sessions in order of precedence: what names this node, then global peers, then the mesh; in each, a BGPPeer
// that selects this node goes before one whose peerSelector does.
func (s *speaker) sessions(me *host) *sessions {
	out := &sessions{speaker: s, me: me, byAddr: map[netip.Addr]session{}, problems: problems{}}
	peers := slices.SortedFunc(maps.Values(s.peers), func(a, b *bgpPeer) int { return strings.Compare(a.name, b.name) })
	for _, kind := range []desired.PeerKind{desired.PeerNode, desired.PeerGlobal} {
		for _, p := range peers {
			if p.kind() == kind && p.local(me) {
				out.forward(p)
			}
		}
		for _, p := range peers {
			if p.kind() == kind && p.remote(me) && !p.oneWay {
				out.reverse(p)
			}
		}
	}
	out.mesh()
	return out
}

// forward adds the sessions of a BGPPeer that this node is to set up.
func (s *sessions) forward(p *bgpPeer) {
	if p.addr.IsValid() {
		s.toAddress(p)
		return
	}
	for _, h := range s.byName() {
		if p.remote(h) {
			peer := p.settings
			peer.Kind, peer.AS = p.kind(), s.as(h)
			s.toHost(p, peer, h)
		}
	}
}

// reverse adds the other end of what a BGPPeer makes other nodes set up towards this one.
func (s *sessions) reverse(p *bgpPeer) {
	for _, h := range s.byName() {
		if p.local(h) {
			peer := p.settings
			peer.Kind, peer.AS, peer.LocalAS = desired.PeerNode, firstSet(p.settings.LocalAS, s.as(h)), 0
			s.toHost(p, peer, h)
		}
	}
}

// toAddress adds a session with a peer that is given by address.
func (s *sessions) toAddress(p *bgpPeer) {
	peer := p.settings
	peer.Kind, peer.Addr, peer.AS, peer.Port = p.kind(), p.addr, p.as, firstSet(p.port, v3.DefaultBGPPort)
	var cluster netip.Addr
	if h := s.hosts[s.owners.first(p.addr)]; h != nil {
		cluster = h.cluster
	}
	s.add(p, peer, cluster)
}

// toHost adds a session with another node in each family that both have.
func (s *sessions) toHost(p *bgpPeer, peer desired.Peer, h *host) {
	if h == s.me {
		return
	}
	for i, addr := range h.addrs {
		own := s.me.addrs[i]
		if !addr.IsValid() || !own.IsValid() {
			continue
		}
		peer.Addr, peer.Port = addr, s.port(h)
		// Of two nodes that both set up the session, the one whose address compares smaller as a string waits for the other.
		peer.Passive = !p.oneWay && own.String() < addr.String()
		s.add(p, peer, h.cluster)
	}
}

// mesh adds a session with every other node, unless it or this node is a route reflector.
func (s *sessions) mesh() {
	config := s.configs["default"]
	if config.noMesh || s.me.reflects() {
		return
	}
	if config.meshPassword {
		s.problems.set(api.Key{Resource: api.BGPConfigurations, Name: "default"}, noPassword("spec.nodeMeshPassword"))
		return
	}
	all := &bgpPeer{}
	for _, h := range s.byName() {
		if !h.reflects() {
			s.toHost(all, desired.Peer{Kind: desired.PeerMesh, AS: s.as(h), RestartSeconds: config.restartTime}, h)
		}
	}
}

// add completes a session and keeps it unless the address is taken.
func (s *sessions) add(p *bgpPeer, peer desired.Peer, cluster netip.Addr) {
	own := s.me.addrs[family(peer.Addr)]
	if !own.IsValid() || own == peer.Addr {
		return
	}
	key := api.Key{Resource: api.BGPPeers, Name: p.name}
	if p.password {
		s.problems.set(key, noPassword("spec.password"))
		return
	}
	localAS := firstSet(peer.LocalAS, s.as(s.me))
	if p.keepEBGP && peer.AS != localAS {
		peer.NextHop = desired.NextHopKeep
	}
	if !p.anySource {
		peer.Source = own
	}
	peer.RRClient = s.me.reflects() && peer.AS == localAS && cluster != s.me.cluster
	peer.Name = sessionName(&peer)
	first, taken := s.byAddr[peer.Addr]
	if !taken {
		s.byAddr[peer.Addr] = session{peer, p.name}
		return
	}
	if p.name != "" && p.name != first.from && differ(first.Peer, peer) {
		s.problems.add(key, "spec", "the session with "+peer.Addr.String()+" is set up as BGPPeer "+first.from+
			" says, which differs; remove one of the two or make them equal")
	}
}

// differ tells whether two sessions with one peer differ in more than where they come from.
func differ(a, b desired.Peer) bool {
	a.Name, a.Kind = b.Name, b.Kind
	return a != b
}

func noPassword(path string) api.FieldErrors {
	return api.FieldErrors{{Path: path, Reason: "weft cannot read passwords from Secrets yet, so it sets up no session rather than one without authentication; remove the field to peer without a password"}}
}

var underscores = strings.NewReplacer(".", "_", ":", "_")

var kindNames = [...]string{desired.PeerMesh: "Mesh", desired.PeerNode: "Node", desired.PeerGlobal: "Global"}

// sessionName returns the name that Calico gives the session.
func sessionName(p *desired.Peer) string {
	name := kindNames[p.Kind] + "_" + underscores.Replace(p.Addr.String())
	if p.Kind != desired.PeerMesh && p.Port != v3.DefaultBGPPort {
		name += "_port_" + strconv.Itoa(int(p.Port))
	}
	return name
}
