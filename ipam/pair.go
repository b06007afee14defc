// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"net/netip"

	v3 "github.com/weftnet/weft/api/v3"
)

// pick chooses where the open addresses shall come from: both from a block and its twin, if that can be, else each on its own.
func (t *assignment) pick(ctx context.Context, open []*want) error {
	for _, w := range open {
		w.mate, w.pair = nil, nil
	}
	if !t.pairs(open) {
		return parallel(open, func(w *want) error { return t.a.pick(ctx, t.s, w) })
	}
	four, six := open[0], open[1]
	if err := t.a.pick(ctx, t.s, four); err != nil {
		return err
	}
	if ok, err := t.mate(ctx, four, six); ok || err != nil {
		return err
	}
	return t.a.pick(ctx, t.s, six)
}

// pairs tells whether the open addresses may come as a pair: one of each family, none by value.
func (t *assignment) pairs(open []*want) bool {
	return t.a.spare && t.r.Use == v3.UseWorkload && len(open) == 2 && !open[0].addr.IsValid() && !open[1].addr.IsValid()
}

// mate has six come with four, from the twin of its block.
func (t *assignment) mate(ctx context.Context, four, six *want) (bool, error) {
	pool := six.pools[0]
	if !four.affine || !pool.hasTwins(four.block.cidr) {
		return false, nil
	}
	b, _, err := four.block.peek(ctx)
	if err != nil || b.owner() != t.a.owner() || b.obj.UID == "" {
		return false, err
	}
	twin, err := t.a.twinOf(ctx, t.s, pool, b)
	if err != nil || !twin.IsValid() {
		return false, err
	}
	six.pair, six.block, six.taking = four, nil, nil
	four.mate = &mate{twin, b.obj.UID, six}
	return true, nil
}

// hasTwins tells whether the pool gives twins of a block: it has blocks of that size, and enough of them.
func (p *Pool) hasTwins(of netip.Prefix) bool {
	return p.BlockBits-p.CIDR.Bits() >= minTwins && p.CIDR.Addr().BitLen()-p.BlockBits == of.Addr().BitLen()-of.Bits()
}

// twinOf returns the twin of b in a pool, bound now if there is none yet; invalid: there can be none.
func (a *Allocator) twinOf(ctx context.Context, s *settings, pool *Pool, b block) (netip.Prefix, error) {
	if twin, err := a.boundTwin(ctx, s, pool, b); twin.IsValid() || err != nil {
		return twin, err
	}
	f := familyOf(pool.CIDR.Addr())
	a.claiming[f].Lock()
	defer a.claiming[f].Unlock()
	if twin, err := a.boundTwin(ctx, s, pool, b); twin.IsValid() || err != nil {
		return twin, err
	}
	if !s.autoClaim || a.owned(f)+1 >= s.maxBlocks { // the last block that it may have is for workloads of the family alone
		return netip.Prefix{}, nil
	}
	blocks, err := a.listBlocks(ctx, []*Pool{pool})
	if err != nil {
		return netip.Prefix{}, err
	}
	_, err = a.claimAbsent(ctx, pool, blocks, s.reserved.overlap, func(cidr netip.Prefix) block { return a.newTwin(cidr, b, s) })
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.boundTwin(ctx, s, pool, b) // none, if the block that was claimed is what an earlier process left
}

// boundTwin returns the twin of b among this node's blocks of a pool.
func (a *Allocator) boundTwin(ctx context.Context, s *settings, pool *Pool, b block) (netip.Prefix, error) {
	for _, w := range a.ownWriters(pool) {
		t, _, err := w.peek(ctx)
		if err != nil {
			return netip.Prefix{}, err
		}
		if of, ok := t.bond(); ok && of == (bond{b.cidr, b.obj.UID}) && t.owner() == a.owner() && t.whole() && !s.reserved.overlap(t.cidr) {
			return t.cidr, nil
		}
	}
	return netip.Prefix{}, nil
}

// overlap reports that some address of block lies in a range.
func (p prefixes) overlap(block netip.Prefix) bool {
	for _, prefix := range p {
		if prefix.Overlaps(block) {
			return true
		}
	}
	return false
}

// judgeTwin prepares taking a block from its owner, in case it is a twin: errMoved if its block has that owner still, so that there may be new pairs.
func (a *Allocator) judgeTwin(ctx context.Context, cidr netip.Prefix, d *disown) error {
	if familyOf(cidr.Addr()) != 1 {
		return nil
	}
	t, err := getBlock(ctx, a.store, cidr)
	if err != nil {
		return err
	}
	of, ok := t.bond()
	if !ok || t.owner() != d.owner {
		return nil
	}
	d.twin = of
	b, err := getBlock(ctx, a.store, of.block)
	switch {
	case err != nil:
		return err
	case !b.exists():
	case b.obj.UID == of.uid && b.owner() == d.owner:
		return errMoved
	case b.pairsWith(cidr): // of another UID where all objects were copied from another datastore
		return nil
	}
	d.ended = true
	return nil
}

// endTwins gives back this node's twins whose blocks have gone.
func (a *Allocator) endTwins(ctx context.Context, affinities []*v3.BlockAffinity) error {
	for _, affinity := range affinities {
		cidr, err := netip.ParsePrefix(affinity.Spec.CIDR)
		if err != nil || !a.owns(cidr) {
			continue
		}
		t, _, err := a.writer(cidr).peek(ctx)
		if err != nil {
			return err
		}
		of, ok := t.bond()
		if !ok {
			continue
		}
		has, err := a.has(ctx, of)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		if err := a.giveBack(ctx, affinity, true); err != nil && !passing(err) {
			return err
		}
	}
	return nil
}

// has tells whether the block that a twin names is this node's, as last seen.
func (a *Allocator) has(ctx context.Context, of bond) (bool, error) {
	if !a.owns(of.block) {
		return false, nil
	}
	b, _, err := a.writer(of.block).peek(ctx)
	return b.exists() && b.obj.UID == of.uid, err
}
