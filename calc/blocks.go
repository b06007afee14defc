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
	others   map[string]otherBlock      // confirmed blocks of other nodes by name of the BlockAffinity
	pools    map[string]*v3.IPPool      // all there are, by name
	clashes  map[string]api.FieldErrors // of pools that overlap an older one, by name
	dirty    bool                       // what BGP advertises or exports may be different
}

func newBlocks(self string, r *routes) *blocks {
	return &blocks{self: self, own: map[string]netip.Prefix{}, exported: map[string]netip.Prefix{}, hidden: map[string]netip.Prefix{}, local: map[netip.Addr]struct{}{}, others: map[string]otherBlock{}, pools: map[string]*v3.IPPool{}, routes: r}
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
	if _, err := v3.ParseCIDR(obj.Spec.CIDR); err != nil {
		return api.FieldErrors{{Path: "spec.cidr", Reason: err.Error()}}
	}
	b.pools[key.Name] = obj
	b.settlePools()
	return nil
}

func (b *blocks) removePool(key api.Key) {
	delete(b.pools, key.Name)
	b.dropPool(key.Name)
	b.settlePools()
}

// settlePools brings into force the pools that overlap no older one, as for IPAM.
func (b *blocks) settlePools() {
	b.clashes = map[string]api.FieldErrors{}
	for _, clash := range v3.ValidatePools(slices.Collect(maps.Values(b.pools))) {
		b.clashes[clash.Pool.Name] = api.FieldErrors{clash.FieldError}
	}
	for name, obj := range b.pools {
		if b.clashes[name] != nil {
			b.dropPool(name)
		} else {
			b.takePool(name, obj)
		}
	}
}

func (b *blocks) takePool(name string, obj *v3.IPPool) {
	cidr, err := v3.ParseCIDR(obj.Spec.CIDR)
	if err != nil {
		return // putPool lets no such pool in
	}
	b.reach.putPool(name, cidr, obj)
	b.nat.putPool(name, cidr, obj)
	in, out := b.exported, b.hidden
	if hidden := obj.Spec.DisableBGPExport; hidden != nil && *hidden {
		in, out = out, in
	}
	if in[name] != cidr {
		delete(out, name)
		in[name] = cidr
		b.dirty = true
	}
}

func (b *blocks) dropPool(name string) {
	b.reach.removePool(name)
	b.nat.removePool(name)
	for _, pools := range []map[string]netip.Prefix{b.exported, b.hidden} {
		if _, ok := pools[name]; ok {
			delete(pools, name)
			b.dirty = true
		}
	}
}

// problems names the pools that are not in force.
func (b *blocks) problems() problems {
	out := problems{}
	for name, list := range b.clashes {
		out.set(api.Key{Resource: api.IPPools, Name: name}, list)
	}
	return out
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
