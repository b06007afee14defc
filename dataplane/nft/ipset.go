// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"maps"
	"math/bits"
	"net/netip"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// ipset is what the driver remembers of an IP set: its prefixes, never its hosts, of which there may be a hundred thousand.
type ipset struct {
	kind  rule.SetKind
	nets  [2]cover
	hosts [2]int // by family: how many
}

func (s *ipset) shape() shape {
	sh := shape{kind: s.kind}
	for i := range families {
		sh.nets[i], sh.width[i] = len(s.nets[i].sorted) > 0, bits.Len(uint(s.hosts[i]))
	}
	return sh
}

// kernelSets are the sets that hold the members, as the shape demands.
func kernelSets(id rule.SetID, sh shape) []*nft.Set {
	var out []*nft.Set
	for i, f := range families {
		if sh.kind == rule.SetPort {
			out = append(out, portSetOf(id, f))
			continue
		}
		out = append(out, hostSetOf(id, f))
		if sh.nets[i] {
			out = append(out, netSetOf(id, f))
		}
	}
	return out
}

// keyChange is a change of the elements of one kernel set, packed.
type keyChange struct {
	set      *nft.Set
	add, del []byte
	tag      unit
}

// change takes in a change of members and returns what it means for the kernel's sets.
func (s *ipset) change(c *desired.IPSetChange) ([]keyChange, error) {
	var hosts, nets [2]keyChange
	var added, removed [2][]netip.Prefix
	if err := s.sort(c.Added, &added, func(f int) *[]byte { return &hosts[f].add }); err != nil {
		return nil, err
	}
	if err := s.sort(c.Removed, &removed, func(f int) *[]byte { return &hosts[f].del }); err != nil {
		return nil, err
	}
	var out []keyChange
	for i, f := range families {
		if h := &hosts[i]; !h.empty() {
			h.set, h.tag = s.hostSet(c.ID, f), setUnit(c.ID)
			s.hosts[i] += (len(h.add) - len(h.del)) / h.set.Width()
			out = append(out, *h)
		}
		gained, lost := s.nets[i].change(added[i], removed[i])
		for _, p := range gained {
			nets[i].add = appendRange(nets[i].add, p)
		}
		for _, p := range lost {
			nets[i].del = appendRange(nets[i].del, p)
		}
		if n := &nets[i]; !n.empty() {
			n.set, n.tag = netSetOf(c.ID, f), setUnit(c.ID)
			out = append(out, *n)
		}
	}
	return out, nil
}

func (c *keyChange) empty() bool { return len(c.add)+len(c.del) == 0 }

// hostSet is the kernel set of addresses, or of addresses with ports.
func (s *ipset) hostSet(id rule.SetID, f *family) *nft.Set {
	if s.kind == rule.SetPort {
		return portSetOf(id, f)
	}
	return hostSetOf(id, f)
}

// sort puts members where they belong: prefixes in nets, keys of hosts and named ports behind what keys returns.
func (s *ipset) sort(members []desired.Member, nets *[2][]netip.Prefix, keys func(family int) *[]byte) error {
	for _, m := range members {
		if !m.Prefix.IsValid() || s.kind == rule.SetPort && !m.Prefix.IsSingleIP() {
			return fmt.Errorf("member %v is no address", m)
		}
		f := familyOf(m.Prefix.Addr()).index()
		switch {
		case s.kind == rule.SetPort:
			k := keys(f)
			*k = append(*k, portKey(m)...)
		case m.Prefix.IsSingleIP():
			k := keys(f)
			*k = append(*k, m.Prefix.Addr().AsSlice()...)
		default:
			nets[f] = append(nets[f], m.Prefix.Masked())
		}
	}
	return nil
}

// portKey is address, protocol and port, each padded to four bytes.
func portKey(m desired.Member) []byte {
	k := append(m.Prefix.Addr().AsSlice(), m.Protocol, 0, 0, 0)
	return append(append(k, be16(m.Port)...), 0, 0)
}

// whole describes a set as the change that creates it.
func whole(s *desired.IPSet) *desired.IPSetChange {
	c := &desired.IPSetChange{ID: s.ID, Kind: s.Kind, Created: true, Added: make([]desired.Member, 0, len(s.Members))}
	for m := range maps.Keys(s.Members) {
		c.Added = append(c.Added, m)
	}
	return c
}
