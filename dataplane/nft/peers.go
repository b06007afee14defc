// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// peerIndex is the verdict map of an indexed tier.
type peerIndex struct {
	spec chainSpec
	set  *nft.Set
	split

	programmed bool
	peers      map[netip.Addr]*combination
	known      map[candidates]*combination
	uses       map[string]int        // how many combinations lead to a chain
	changed    map[netip.Addr]string // by peer whose chain may have changed in this plan, the one before; empty: none
	level      int                   // policies are told apart by groups of 2^level neighbours
	stale      bool                  // combinations came or went: level and chains are to be looked at
}

// candidates is a set of keyed policies: a bit for each, in a string so that it can be a key. Empty: none.
type candidates string

// combination is a set of candidates that some peers have, and the chain they are sent to.
type combination struct {
	candidates candidates
	count      int // of peers
	chain      string
}

func (x *peerIndex) bits() []byte { return make([]byte, (len(x.keyed)+7)/8) }

// of returns the candidates of one peer.
func (x *peerIndex) of(view desired.View, peer netip.Addr) candidates {
	member := desired.Member{Prefix: desired.HostPrefix(peer)}
	bits, some := x.bits(), false
	for i, k := range x.keyed {
		for _, id := range k.sets {
			if s, ok := view.IPSet(id); ok {
				if _, holds := s.Members[member]; holds {
					bits[i/8] |= 1 << (i % 8)
					some = true
				}
			}
		}
	}
	if !some {
		return ""
	}
	return candidates(bits)
}

// all returns the candidates of every peer that has some.
func (x *peerIndex) all(view desired.View) map[netip.Addr][]byte {
	out := map[netip.Addr][]byte{}
	for i, k := range x.keyed {
		for _, id := range k.sets {
			s, ok := view.IPSet(id)
			if !ok {
				continue
			}
			for m := range s.Members {
				peer := m.Prefix.Addr()
				if familyOf(peer) != x.spec.fam || !m.Prefix.IsSingleIP() {
					continue
				}
				if out[peer] == nil {
					out[peer] = x.bits()
				}
				out[peer][i/8] |= 1 << (i % 8)
			}
		}
	}
	return out
}

// direct gives a peer new candidates. Its chain follows in settle.
func (x *peerIndex) direct(peer netip.Addr, c candidates) {
	old := x.peers[peer]
	if old == nil && c == "" || old != nil && old.candidates == c {
		return
	}
	x.note(peer)
	if old != nil {
		old.count--
		x.stale = x.stale || old.count == 0
	}
	if c == "" {
		delete(x.peers, peer)
		return
	}
	now := x.known[c]
	if now == nil {
		now = &combination{candidates: c}
		x.known[c] = now
		x.stale = true
	}
	now.count++
	x.peers[peer] = now
}

// note keeps in mind where a peer was sent before this plan.
func (x *peerIndex) note(peer netip.Addr) {
	if _, noted := x.changed[peer]; noted {
		return
	}
	x.changed[peer] = ""
	if c := x.peers[peer]; c != nil {
		x.changed[peer] = c.chain
	}
}

// in lists the candidates by their numbers.
func (c candidates) in() (list []int) {
	for at := range len(c) {
		for rest := c[at]; rest != 0; rest &= rest - 1 {
			list = append(list, 8*at+bits.TrailingZeros8(rest))
		}
	}
	return list
}

// group returns the candidates with all policies of a group in when one is.
func (x *peerIndex) group(c candidates, level int) candidates {
	out := x.bits()
	for _, i := range c.in() {
		first := i >> level << level
		for j := first; j < min(first+1<<level, len(x.keyed)); j++ {
			out[j/8] |= 1 << (j % 8)
		}
	}
	return candidates(out)
}

// fittingLevel is the lowest level with few enough chains.
func (x *peerIndex) fittingLevel() int {
	for level := 0; ; level++ {
		groups := map[candidates]struct{}{}
		for c := range x.known {
			groups[x.group(c, level)] = struct{}{}
		}
		if len(groups) <= indexChains {
			return level
		}
	}
}

// chainOf is the chain for some candidates: their policies and those for everybody, in their order.
func (x *peerIndex) chainOf(c candidates) chainSpec {
	positions := slices.Clone(x.always)
	for _, i := range c.in() {
		positions = append(positions, x.keyed[i].position)
	}
	slices.Sort(positions)
	return x.spec.tierSpec(some(x.spec.tiers[0], positions))
}
