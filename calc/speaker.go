// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/desired"
)

// speaker works out this node's BGP speaker. Its identity and sessions are computed anew when a Node, BGPConfiguration or BGPPeer
// changes, which is rare; what it advertises comes from the blocks node.
type speaker struct {
	self    string
	hosts   map[string]*host
	configs map[string]bgpConfig
	peers   map[string]*bgpPeer
	dirty   bool

	order  []*host            // hosts by name; nil: to be sorted
	owners owners[netip.Addr] // which hosts have an address
	now    *desired.BGP       // without Advertise and ExportOnly; nil: this node does not speak BGP
	wrong  problems           // with the sessions
}

func newSpeaker(self string) *speaker {
	return &speaker{self: self, hosts: map[string]*host{}, configs: map[string]bgpConfig{}, peers: map[string]*bgpPeer{}, owners: owners[netip.Addr]{}}
}

// settle computes now and wrong if their inputs changed.
func (s *speaker) settle() {
	if !s.dirty {
		return
	}
	s.dirty, s.now, s.wrong = false, nil, nil
	me := s.hosts[s.self]
	if me == nil || !me.speaks() {
		return
	}
	noMesh := s.configs["default"].noMesh
	if noMesh && len(s.peers) == 0 {
		return // a cluster of tunnels alone, for one
	}
	sessions := s.sessions(me)
	s.wrong = sessions.problems
	if noMesh && len(sessions.byAddr) == 0 {
		return // nobody will ever call
	}
	s.now = &desired.BGP{AS: s.as(me), RouterID: routerID(me), ListenPort: s.port(me), ClusterID: me.cluster, NextHops: me.addrs}
	if s.bindsToNodeIP(me) {
		s.now.Listen = slices.DeleteFunc(slices.Clone(me.addrs[:]), func(a netip.Addr) bool { return !a.IsValid() })
	}
	for _, session := range sessions.byAddr {
		s.now.Peers = append(s.now.Peers, session.Peer)
	}
	slices.SortFunc(s.now.Peers, func(a, b desired.Peer) int { return strings.Compare(a.Name, b.Name) })
}

// byName returns the hosts in the order of their names.
func (s *speaker) byName() []*host {
	if s.order == nil {
		s.order = slices.SortedFunc(maps.Values(s.hosts), func(a, b *host) int { return strings.Compare(a.name, b.name) })
	}
	return s.order
}

// problems returns what is wrong with the sessions, and addresses that several nodes claim.
func (s *speaker) problems() problems {
	found := maps.Clone(s.wrong)
	if found == nil {
		found = problems{}
	}
	for addr, has := range s.owners {
		for _, name := range has.rest {
			clash(found, addr, name, has.first)
			clash(found, addr, has.first, name)
		}
	}
	return found
}

// clash reports an address of a node that is also another's.
func clash(found problems, addr netip.Addr, node, other string) {
	found.add(api.Key{Resource: api.Nodes, Name: node}, nodeAddressFields[family(addr)],
		addr.String()+" is also the address of node "+other+"; give each node an address of its own")
}

// routerID is the IPv4 address, or on a node without one a hash of the name, as Calico's CALICO_ROUTER_ID=hash.
func routerID(h *host) netip.Addr {
	if h.addrs[0].IsValid() {
		return h.addrs[0]
	}
	sum := fnv.New32a()
	sum.Write([]byte(h.name))
	var id [4]byte
	binary.BigEndian.PutUint32(id[:], max(1, sum.Sum32())) // 0.0.0.0 is no identifier (RFC 6286)
	return netip.AddrFrom4(id)
}
