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

	order     []*host              // hosts by name, as of the last settle
	byAddress map[netip.Addr]*host // the first by name where several have one address
	now       *desired.BGP         // without Advertise and ExportOnly; nil: this node does not speak BGP
	problems  problems
}

func newSpeaker(self string) *speaker {
	return &speaker{self: self, hosts: map[string]*host{}, configs: map[string]bgpConfig{}, peers: map[string]*bgpPeer{}}
}

// settle computes now and problems if their inputs changed.
func (s *speaker) settle() {
	if !s.dirty {
		return
	}
	s.dirty, s.now = false, nil
	s.order = slices.SortedFunc(maps.Values(s.hosts), func(a, b *host) int { return strings.Compare(a.name, b.name) })
	s.problems = s.indexAddresses()
	me := s.hosts[s.self]
	if me == nil || !me.speaks() {
		return
	}
	sessions := s.sessions(me)
	maps.Copy(s.problems, sessions.problems)
	s.now = &desired.BGP{AS: s.as(me), RouterID: routerID(me), ListenPort: s.port(me), ClusterID: me.cluster, NextHops: me.addrs}
	if s.bindsToNodeIP(me) {
		s.now.Listen = slices.DeleteFunc(slices.Clone(me.addrs[:]), func(a netip.Addr) bool { return !a.IsValid() })
	}
	for _, session := range sessions.byAddr {
		s.now.Peers = append(s.now.Peers, session.Peer)
	}
	slices.SortFunc(s.now.Peers, func(a, b desired.Peer) int { return strings.Compare(a.Name, b.Name) })
}

// indexAddresses fills byAddress and returns the problem of addresses that several nodes claim.
func (s *speaker) indexAddresses() problems {
	s.byAddress = make(map[netip.Addr]*host, len(s.hosts))
	found := problems{}
	clash := func(h, other *host, i int) {
		found.add(api.Key{Resource: api.Nodes, Name: h.name}, nodeAddressFields[i],
			h.addrs[i].String()+" is also the address of node "+other.name+"; give each node an address of its own")
	}
	for _, h := range s.order {
		for i, addr := range h.addrs {
			first := s.byAddress[addr]
			switch {
			case !addr.IsValid():
			case first == nil:
				s.byAddress[addr] = h
			default:
				clash(h, first, i)
				clash(first, h, i)
			}
		}
	}
	return found
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
