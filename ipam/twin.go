// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"maps"
	"net/netip"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	v3 "github.com/weftnet/weft/api/v3"
)

// Where handles are spared, a workload of both families takes one write. A block of IPv4 gets a block of IPv6 of the same size that goes with it, its twin: all
// of the twin's addresses are assigned from the start, to a handle of its own, and whoever has an address of the block may have the one at the same place of the
// twin. The attributes of the address in the block name that one, so the block alone says who has both:
//
//	bind      claim a block of IPv6, made with all addresses assigned; its attributes name the block, and its UID
//	assign    take it in the block, if that is still the one which the twin names
//	release   free it in the block
//	unbind    1 the block goes, or loses its node  2 the twin goes    crash after 1: the node, or the collector, finishes it
//
// A block that has lost its node never gets one again before it is deleted, and a new one has another UID. So after step 1 of an unbinding there is no new
// pair, and the twin goes as soon as there is no old one. A twin has no room for others; only pools that are too large to run short of blocks give them.

// minTwins is how many blocks a pool must have for twins to be among them (log2).
const minTwins = 16

// The attributes of a twin and of the addresses that use it.
const (
	typeTwin   = "twin"    // "type" of all addresses of a twin
	bondBlock  = "block"   // CIDR of the block that it goes with
	bondUID    = "uid"     // of that block
	attrPaired = "address" // of an address of the block: what comes with it
)

// bond says which block a twin goes with.
type bond struct {
	block netip.Prefix
	uid   types.UID
}

// mate is the address of a twin that comes with one of the block.
type mate struct {
	twin netip.Prefix
	uid  types.UID // of the block
	want *want     // who gets it
}

func (m *mate) addr(i int) netip.Addr { return plus(m.twin.Addr(), uint64(i), 0) }

// newTwin returns a twin of b at cidr that is not stored yet.
func (a *Allocator) newTwin(cidr netip.Prefix, b block, s *settings) block {
	t := a.fresh(cidr, s)
	handle, first := typeTwin+"-"+BlockName(cidr), 0
	spec := &t.obj.Spec
	spec.Attributes = []v3.AllocationAttribute{{HandleID: &handle, Secondary: map[string]string{
		"type": typeTwin, "node": a.node, bondBlock: b.cidr.String(), bondUID: string(b.obj.UID), handleObject: noHandle,
	}}}
	spec.SequenceNumberForAllocation = map[string]uint64{}
	for i := range spec.Allocations {
		spec.Allocations[i], spec.SequenceNumberForAllocation[strconv.Itoa(i)] = &first, 0
	}
	spec.Unallocated = []int{}
	return t
}

// bondIn reads the attributes of an address of a twin.
func bondIn(attr *v3.AllocationAttribute) (bond, bool) {
	if attr == nil || attr.Secondary["type"] != typeTwin {
		return bond{}, false
	}
	cidr, err := netip.ParsePrefix(attr.Secondary[bondBlock])
	if err != nil {
		return bond{}, false
	}
	return bond{cidr, types.UID(attr.Secondary[bondUID])}, true
}

// isTwin tells whether an address is of a twin.
func isTwin(attr *v3.AllocationAttribute) bool {
	_, ok := bondIn(attr)
	return ok
}

// bond returns which block b is the twin of.
func (b block) bond() (bond, bool) {
	if b.obj == nil || len(b.obj.Spec.Attributes) == 0 {
		return bond{}, false
	}
	return bondIn(&b.obj.Spec.Attributes[0])
}

// twinAt returns the twin that holds what comes with address i, as far as the block says; invalid: nothing comes with it.
func (b block) twinAt(i int) netip.Prefix {
	addr := b.paired(i)
	if !addr.IsValid() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, addr.BitLen()-b.cidr.Addr().BitLen()+b.cidr.Bits()).Masked()
}

// whole tells whether all addresses of a twin are the twin's.
func (b block) whole() bool {
	return len(b.obj.Spec.Attributes) == 1 && len(b.obj.Spec.Unallocated) == 0
}

// endTwin frees the addresses of a twin that are the twin's.
func (b block) endTwin() {
	for i := range b.obj.Spec.Allocations {
		if isTwin(b.attr(i)) {
			b.release(i, rules{})
		}
	}
}

// pairedWith returns the attributes of an address that addr comes with.
func pairedWith(attrs map[string]string, addr netip.Addr) map[string]string {
	out := maps.Clone(attrs)
	out[attrPaired] = addr.String()
	return out
}

// paired returns the address that comes with address i, or zero.
func (b block) paired(i int) netip.Addr {
	attr := b.attr(i)
	if attr == nil || b.handleAt(i) == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(attr.Secondary[attrPaired])
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// pairsWith tells whether an address of the block has one of twin.
func (b block) pairsWith(twin netip.Prefix) bool {
	for i := range b.obj.Spec.Allocations {
		if b.twinAt(i) == twin {
			return true
		}
	}
	return false
}
