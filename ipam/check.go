// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Violation is something that Check found.
type Violation struct {
	// Key is the object to look at.
	Key api.Key
	// Reason says what is wrong and what to do.
	Reason string
	// Leftover marks what an interrupted operation leaves and the next one cleans up. Everything else must never be.
	Leftover bool
}

// String renders a violation in one line.
func (v Violation) String() string { return fmt.Sprintf("%s: %s", v.Key, v.Reason) }

// Check looks for contradictions between address management objects (IPPool, IPAMBlock, BlockAffinity, IPAMHandle) and
// WorkloadEndpoints, read at one time or while nothing changes. Other kinds are ignored. The result is sorted by object.
func Check(objects []api.Object) []Violation {
	c := &checker{blocks: map[netip.Prefix]block{}, held: map[string]counts{}, handles: map[string]*v3.IPAMHandle{}}
	for _, obj := range objects {
		c.collect(obj)
	}
	c.pools, _ = ResolvePools(c.poolObjects)
	c.checkBlocks()
	c.checkAffinities()
	c.checkHandles()
	c.checkEndpoints()
	slices.SortStableFunc(c.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Key.String(), b.Key.String()), cmp.Compare(a.Reason, b.Reason))
	})
	return c.found
}

type checker struct {
	poolObjects []*v3.IPPool
	pools       []*Pool
	blocks      map[netip.Prefix]block
	affinities  []*v3.BlockAffinity
	handles     map[string]*v3.IPAMHandle
	endpoints   []*v3.WorkloadEndpoint
	held        map[string]counts // by handle, as the blocks have it
	found       []Violation
}

func (c *checker) add(obj api.Object, leftover bool, format string, args ...any) {
	c.found = append(c.found, Violation{api.KeyOf(obj), fmt.Sprintf(format, args...), leftover})
}

func (c *checker) collect(obj api.Object) {
	switch obj := obj.(type) {
	case *v3.IPPool:
		c.poolObjects = append(c.poolObjects, obj)
	case *v3.BlockAffinity:
		c.affinities = append(c.affinities, obj)
	case *v3.WorkloadEndpoint:
		c.endpoints = append(c.endpoints, obj)
	case *v3.IPAMHandle:
		if other := c.handles[obj.Spec.HandleID]; other != nil {
			c.add(obj, false, "handle %q is also in %s; release it", obj.Spec.HandleID, other.Name)
		}
		c.handles[obj.Spec.HandleID] = obj
	case *v3.IPAMBlock:
		b, err := readBlock(obj)
		switch other, twice := c.blocks[b.cidr]; {
		case err != nil:
			c.add(obj, false, "%v", err)
		case !b.exists():
			c.add(obj, true, "is marked deleted; delete it")
		case twice:
			c.add(obj, false, "block %s is also in %s; delete the one whose name is not %s", b.cidr, other.obj.Name, BlockName(b.cidr))
		default:
			c.blocks[b.cidr] = b
		}
	}
}

func (c *checker) checkBlocks() {
	sorted := slices.SortedFunc(maps.Keys(c.blocks), func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var widest netip.Prefix
	for _, cidr := range sorted {
		b := c.blocks[cidr]
		c.checkPairs(b)
		if widest.IsValid() && widest.Overlaps(cidr) {
			c.add(b.obj, false, "%s overlaps block %s: an address could be assigned twice; release the addresses of one of them and delete it", cidr, widest)
		} else {
			widest = cidr
		}
		c.checkPool(b)
		c.countHeld(b)
	}
}

// checkPairs looks for the addresses that come with those of a block in its twins.
func (c *checker) checkPairs(b block) {
	for i := range b.obj.Spec.Allocations {
		addr := b.paired(i)
		if !addr.IsValid() {
			continue
		}
		t := c.blocks[b.twinAt(i)]
		if of, ok := t.bond(); !ok || of.block != b.cidr || t.addr(i) != addr || !isTwin(t.attr(i)) {
			c.add(b.obj, false, "%s has come with %s, which is not kept for it, so it can be assigned again; restart the workload", addr, b.addr(i))
		}
	}
}

// checkPool compares a block with its pool. Blocks of a pool that was deleted or made anew last as long as their addresses.
func (c *checker) checkPool(b block) {
	i := slices.IndexFunc(c.pools, func(p *Pool) bool { return p.CIDR.Contains(b.cidr.Addr()) })
	switch {
	case i < 0:
		c.add(b.obj, true, "%s lies in no usable IPPool; its addresses are neither translated nor encapsulated; restart their workloads", b.cidr)
	case c.pools[i].BlockBits != b.cidr.Bits():
		c.add(b.obj, true, "%s is not of the block size of pool %s, /%d; restart the workloads that use it", b.cidr, c.pools[i], c.pools[i].BlockBits)
	}
	if b.owner() == "" && b.empty() {
		c.add(b.obj, true, "%s is empty and belongs to no node; delete it", b.cidr)
	}
}

func (c *checker) countHeld(b block) {
	for i := range b.obj.Spec.Allocations {
		attr := b.attr(i)
		handle := b.handleAt(i)
		switch {
		case attr == nil || attr.ReleasedAt != nil || spared(attr):
		case handle == "":
			c.add(b.obj, false, "%s is assigned without a handle, so nobody can release it by handle; release the address", b.addr(i))
		default:
			if c.held[handle] == nil {
				c.held[handle] = counts{}
			}
			c.held[handle][b.cidr]++
		}
	}
}

// checkAffinities compares the two halves of ownership.
func (c *checker) checkAffinities() {
	claimed := map[string]bool{}
	for _, affinity := range c.affinities {
		s := &affinity.Spec
		cidr, err := netip.ParsePrefix(s.CIDR)
		if err != nil {
			c.add(affinity, false, "spec.cidr %q is no CIDR; delete the object", s.CIDR)
			continue
		}
		claimed[s.CIDR+" "+ownerIn(affinity)] = true
		if s.State != stateConfirmed {
			c.add(affinity, true, "is %s; node %s finishes it when it next needs a block", s.State, s.Node)
			continue
		}
		if owner := c.blocks[cidr].owner(); owner != ownerIn(affinity) {
			c.add(affinity, false, "is confirmed, but block %s belongs to %q; delete this object", cidr, owner)
		}
	}
	for cidr, b := range c.blocks {
		if owner := b.owner(); owner != "" && !claimed[cidr.String()+" "+owner] {
			c.add(b.obj, false, "belongs to %q, which has no BlockAffinity for it; it is not routed", owner)
		}
	}
}

// checkHandles compares what handles count with what blocks hold. Too much is what a crash leaves; too little is a lost address.
func (c *checker) checkHandles() {
	for id, held := range c.held {
		for cidr, n := range held {
			h := c.handles[id]
			if h == nil || h.Spec.Block[cidr.String()] < n {
				c.add(c.blocks[cidr].obj, false, "handle %q has %d addresses of %s but does not count them, so its release would not free them; release the addresses", id, n, cidr)
			}
		}
	}
	for id, h := range c.handles {
		for text, n := range h.Spec.Block {
			cidr, err := netip.ParsePrefix(text)
			if err != nil {
				c.add(h, false, "spec.block %q is no CIDR; delete the entry", text)
			} else if held := c.held[id][cidr]; held < n {
				c.add(h, true, "counts %d addresses of %s and has %d; its release corrects that", n, cidr, held)
			}
		}
		if h.Spec.Deleted {
			c.add(h, true, "its release was interrupted; release it again")
		}
	}
}

// checkEndpoints finds addresses that two workloads have, and such that nobody assigned.
func (c *checker) checkEndpoints() {
	users := map[netip.Addr]*v3.WorkloadEndpoint{}
	for _, endpoint := range c.endpoints {
		for _, text := range endpoint.Spec.IPNetworks {
			p, err := v3.ParseCIDR(text)
			if err != nil {
				continue // the object's own validation names it
			}
			addr := p.Addr()
			if other := users[addr]; other != nil {
				c.add(endpoint, false, "%s is also an address of WorkloadEndpoint %s/%s; restart one of the workloads", addr, other.Namespace, other.Name)
			}
			users[addr] = endpoint
			if c.inPool(addr) && !c.assigned(addr) {
				c.add(endpoint, false, "%s is in use but not assigned, so it can be assigned again; restart the workload", addr)
			}
		}
	}
}

func (c *checker) inPool(addr netip.Addr) bool {
	return slices.ContainsFunc(c.pools, func(p *Pool) bool { return p.CIDR.Contains(addr) })
}

func (c *checker) assigned(addr netip.Addr) bool {
	for cidr, b := range c.blocks {
		if cidr.Contains(addr) {
			i := minus(addr, cidr.Addr())
			attr := b.attr(i)
			if of, ok := bondIn(attr); ok {
				pair := c.blocks[of.block]
				return pair.exists() && i < len(pair.obj.Spec.Allocations) && pair.paired(i) == addr
			}
			return attr != nil && attr.ReleasedAt == nil
		}
	}
	return false
}
