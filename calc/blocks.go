// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// blocks knows the address blocks of this node and the IP pools, and from them what BGP advertises and exports.
type blocks struct {
	self     string
	own      map[string]netip.Prefix // confirmed blocks of this node by name of the BlockAffinity
	exported map[string]netip.Prefix // pools whose routes BGP may export, by name
	hidden   map[string]netip.Prefix // pools whose routes it may not, by name
	local    map[netip.Addr]struct{} // addresses of local workloads
	routes   *routes
	reach    *reach
	nat      *sourceNAT
	others   map[string]otherBlock // confirmed blocks of other nodes by name of the BlockAffinity
	dirty    bool                  // what BGP advertises or exports may be different
}

func newBlocks(self string, r *routes) *blocks {
	return &blocks{self: self, own: map[string]netip.Prefix{}, exported: map[string]netip.Prefix{}, hidden: map[string]netip.Prefix{}, local: map[netip.Addr]struct{}{}, others: map[string]otherBlock{}, routes: r}
}

func (b *blocks) putAffinity(key api.Key, obj *v3.BlockAffinity) api.FieldErrors {
	cidr, err := v3.ParseCIDR(obj.Spec.CIDR)
	if err != nil {
		return api.FieldErrors{{Path: "spec.cidr", Reason: err.Error()}}
	}
	switch block := (otherBlock{cidr, obj.Spec.Node}); {
	case obj.Spec.State != "confirmed" || obj.Spec.Type == "virtual" || obj.Spec.Deleted:
		b.removeAffinity(key)
	case obj.Spec.Node != b.self && b.others[key.Name] != block:
		b.removeAffinity(key)
		block.node = intern(block.node)
		b.others[key.Name] = block
		b.reach.putBlock(cidr, block.node)
	case obj.Spec.Node == b.self && b.own[key.Name] != cidr:
		b.removeAffinity(key)
		b.own[key.Name] = cidr
		b.routes.addBlock(cidr)
		b.dirty = true
	}
	return nil
}

// otherBlock is a block of another node.
type otherBlock struct {
	cidr netip.Prefix
	node string
}

func (b *blocks) removeAffinity(key api.Key) {
	if other, ok := b.others[key.Name]; ok {
		delete(b.others, key.Name)
		b.reach.removeBlock(other.cidr, other.node)
	}
	if cidr, ok := b.own[key.Name]; ok {
		delete(b.own, key.Name)
		b.routes.removeBlock(cidr)
		b.dirty = true
	}
}

func (b *blocks) putPool(key api.Key, obj *v3.IPPool) api.FieldErrors {
	cidr, err := v3.ParseCIDR(obj.Spec.CIDR)
	if err != nil {
		return api.FieldErrors{{Path: "spec.cidr", Reason: err.Error()}}
	}
	b.reach.putPool(key.Name, cidr, obj)
	b.nat.putPool(key.Name, cidr, obj)
	in, out := b.exported, b.hidden
	if hidden := obj.Spec.DisableBGPExport; hidden != nil && *hidden {
		in, out = out, in
	}
	if in[key.Name] != cidr {
		delete(out, key.Name)
		in[key.Name] = cidr
		b.dirty = true
	}
	return nil
}

func (b *blocks) removePool(key api.Key) {
	b.reach.removePool(key.Name)
	b.nat.removePool(key.Name)
	for _, pools := range []map[string]netip.Prefix{b.exported, b.hidden} {
		if _, ok := pools[key.Name]; ok {
			delete(pools, key.Name)
			b.dirty = true
		}
	}
}

func (b *blocks) addLocal(addr netip.Addr) {
	if _, ok := b.local[addr]; !ok {
		b.local[addr] = struct{}{}
		b.dirty = b.dirty || !b.covers(addr)
	}
}

func (b *blocks) removeLocal(addr netip.Addr) {
	if _, ok := b.local[addr]; ok {
		delete(b.local, addr)
		b.dirty = b.dirty || !b.covers(addr)
	}
}

// covers tells whether addr is in a block of this node.
func (b *blocks) covers(addr netip.Addr) bool {
	for _, cidr := range b.own {
		if cidr.Contains(addr) {
			return true
		}
	}
	return false
}

// advertised returns the blocks of this node and the borrowed addresses, which are those of local workloads outside them, but for pools that BGP does not
// export.
func (b *blocks) advertised() []netip.Prefix {
	out := slices.Collect(maps.Values(b.own))
	for addr := range b.local {
		if !b.covers(addr) {
			out = append(out, desired.HostPrefix(addr))
		}
	}
	out = slices.DeleteFunc(out, func(dst netip.Prefix) bool {
		for _, pool := range b.hidden {
			if pool.Bits() <= dst.Bits() && pool.Contains(dst.Addr()) {
				return true
			}
		}
		return false
	})
	return sortedPrefixes(out)
}

func (b *blocks) exportable() []netip.Prefix {
	return sortedPrefixes(slices.Collect(maps.Values(b.exported)))
}

func sortedPrefixes(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, desired.ComparePrefixes)
	return slices.Compact(list)
}
