// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// Options of an allocator.
type Options struct {
	// Node whose blocks are used. Required.
	Node string
	// Virtual says that Node is no node but a user of addresses that stand for none, as LoadBalancerNode.
	Virtual bool
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// SpareHandles keeps no handle for addresses of workloads in this node's blocks: a write less for each, where a store has no transactions. See spare.go.
	// Workloads of both families then get their addresses in pairs, another write less, where the first IPv6 pool is large. See twin.go.
	SpareHandles bool
}

// Allocator assigns addresses for one node. All methods are safe for concurrent use, by any number of allocators and processes.
type Allocator struct {
	store    store.Store
	node     string
	virtual  bool
	now      func() time.Time
	settings *settingsCache
	locks    keyLock // by handle
	group    *group  // nil: the store has no transactions
	spare    bool

	mu      sync.Mutex
	writers map[netip.Prefix]*writer
	own     map[netip.Prefix]bool // blocks of this node, as last seen
	loaded  bool                  // own has been read

	loading  sync.Mutex    // held while own is read
	claiming [2]sync.Mutex // by family: one at a time looks for a block
}

// New returns an allocator. It reads nothing before the first call.
func New(s store.Store, o Options) *Allocator {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	a := &Allocator{
		store: s, node: o.Node, virtual: o.Virtual, now: now, settings: newSettingsCache(s), spare: o.SpareHandles,
		writers: map[netip.Prefix]*writer{}, own: map[netip.Prefix]bool{},
	}
	if t, ok := s.(store.Transactor); ok && !o.SpareHandles {
		a.group = &group{store: t}
	}
	return a
}

// Close ends the watch that the first Assign has begun. It ends with the store as well.
func (a *Allocator) Close() { a.settings.stop() }

// owner returns whose blocks this allocator uses, as IPAMBlock.spec.affinity has it.
func (a *Allocator) owner() string {
	if a.virtual {
		return virtualOwner(a.node)
	}
	return OwnerOf(a.node)
}

// maxWriters bounds the blocks of others that are remembered.
const maxWriters = 1024

// writer returns the one writer of a block.
func (a *Allocator) writer(cidr netip.Prefix) *writer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.writers[cidr]; w != nil {
		return w
	}
	if len(a.writers) >= maxWriters {
		for other := range a.writers {
			if !a.own[other] {
				delete(a.writers, other)
			}
		}
	}
	w := newWriter(a.store, cidr)
	a.writers[cidr] = w
	return w
}

// ownWriters returns the writers of this node's blocks in a pool, in address order.
func (a *Allocator) ownWriters(p *Pool) []*writer {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*writer
	for cidr := range a.own {
		if w := a.writers[cidr]; w != nil && p.CIDR.Contains(cidr.Addr()) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(x, y *writer) int { return x.cidr.Addr().Compare(y.cidr.Addr()) })
	return out
}

// foreignWriters returns the known blocks of a pool that are not this node's.
func (a *Allocator) foreignWriters(p *Pool) []*writer {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*writer
	for cidr, w := range a.writers {
		if !a.own[cidr] && p.CIDR.Contains(cidr.Addr()) {
			out = append(out, w)
		}
	}
	return out
}

// adopt notes that a block is this node's.
func (a *Allocator) adopt(cidr netip.Prefix) *writer {
	w := a.writer(cidr)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.own[cidr], a.writers[cidr] = true, w
	return w
}

// disown notes that a block is not this node's any more.
func (a *Allocator) disown(cidr netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.own, cidr)
}

// ownBlocks returns this node's blocks, as last seen.
func (a *Allocator) ownBlocks() []netip.Prefix {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.own))
}

// owned counts this node's blocks of a family.
func (a *Allocator) owned(f family) int {
	n := 0
	for _, cidr := range a.ownBlocks() {
		if familyOf(cidr.Addr()) == f {
			n++
		}
	}
	return n
}

// listBlocks reads all readable blocks of some pools (nil: all), in address order.
func (a *Allocator) listBlocks(ctx context.Context, pools []*Pool) ([]block, error) {
	list, err := a.store.List(ctx, api.IPAMBlocks, "")
	if err != nil {
		return nil, err
	}
	var out []block
	for _, obj := range list.Items {
		b, err := readBlock(obj.(*v3.IPAMBlock))
		if err != nil || !b.exists() {
			continue // unreadable: nothing can be taken from it; Check names it
		}
		if pools == nil || slices.ContainsFunc(pools, func(p *Pool) bool { return p.CIDR.Contains(b.cidr.Addr()) }) {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(x, y block) int {
		return cmp.Or(x.cidr.Addr().Compare(y.cidr.Addr()), cmp.Compare(x.cidr.Bits(), y.cidr.Bits()))
	})
	return out, nil
}
