// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
)

// pick chooses the block that an address shall come from: one of this node's, a new one, or a borrowed one, in this order.
func (a *Allocator) pick(ctx context.Context, s *settings, w *want) error {
	if w.addr.IsValid() {
		return a.pickWanted(ctx, s, w)
	}
	if err := a.load(ctx, s); err != nil {
		return err
	}
	if ok, err := a.pickOwn(ctx, s, w); ok || err != nil {
		return err
	}
	// Those who come at the same time wait for one claim instead of making one each.
	a.claiming[w.family].Lock()
	defer a.claiming[w.family].Unlock()
	if ok, err := a.pickOwn(ctx, s, w); ok || err != nil {
		return err
	}
	if err := a.reload(ctx, s); err != nil {
		return err
	}
	if ok, err := a.pickOwn(ctx, s, w); ok || err != nil {
		return err
	}
	if a.owned(w.family) < s.maxBlocks {
		if ok, err := a.pickNew(ctx, s, w); ok || err != nil {
			return err
		}
	}
	if s.strict {
		return a.refusal(ctx, s, w)
	}
	if ok, err := a.borrow(ctx, s, w); ok || err != nil {
		return err
	}
	// Over the built-in limit rather than refused beside a pool with free blocks. A limit that the user wrote comes with strictAffinity.
	if ok, err := a.pickNew(ctx, s, w); ok || err != nil {
		return err
	}
	return a.refusal(ctx, s, w)
}

// pickOwn finds room in this node's blocks.
func (a *Allocator) pickOwn(ctx context.Context, s *settings, w *want) (bool, error) {
	for _, pool := range w.pools {
		for _, block := range a.ownWriters(pool) {
			if ok, err := a.try(ctx, s, w, block, a.owner()); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

// try chooses block if it has room and is owner's ("" any).
func (a *Allocator) try(ctx context.Context, s *settings, w *want, block *writer, owner string) (bool, error) {
	ok, seen, err := block.reserve(ctx, owner, s.rules(a.now()))
	if ok {
		w.block, w.seen, w.affine, w.reserved = block, seen, owner != "", true
	}
	return ok, err
}

// pickNew claims a block.
func (a *Allocator) pickNew(ctx context.Context, s *settings, w *want) (bool, error) {
	if !s.autoClaim {
		return false, nil
	}
	for _, pool := range w.pools {
		block, err := a.claimIn(ctx, s, pool)
		if err != nil {
			return false, err
		}
		if block == nil {
			continue
		}
		if ok, err := a.try(ctx, s, w, block, a.owner()); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// claimIn claims a free block of a pool: one that does not exist, else one that another node has not used for a while. Nil: none.
func (a *Allocator) claimIn(ctx context.Context, s *settings, pool *Pool) (*writer, error) {
	blocks, err := a.listBlocks(ctx, []*Pool{pool})
	if err != nil {
		return nil, err
	}
	w, err := a.claimAbsent(ctx, pool, blocks, s.reserved.covers, func(cidr netip.Prefix) block { return a.fresh(cidr, s) })
	if w != nil || err != nil {
		return w, err
	}
	return a.reclaim(ctx, s, blocks)
}

// claimAbsent claims a block of a pool that is not among those that there are and is of use; fresh makes it. Nil: there is none.
func (a *Allocator) claimAbsent(
	ctx context.Context, pool *Pool, blocks []block, useless func(netip.Prefix) bool, fresh func(netip.Prefix) block,
) (*writer, error) {
	taken := map[netip.Prefix]bool{}
	for _, b := range blocks {
		taken[b.cidr] = true
	}
	for cidr := range blocksOf(pool, a.node, uint64(a.now().UnixNano())) {
		if taken[cidr] || useless(cidr) {
			continue
		}
		w, err := a.claim(ctx, fresh(cidr))
		if err == nil || !errors.Is(err, errClaimed) {
			return w, err
		}
	}
	return nil, nil
}

// borrow finds room in a block of another node or of none: where it borrowed before, else anywhere.
func (a *Allocator) borrow(ctx context.Context, s *settings, w *want) (bool, error) {
	for _, pool := range w.pools {
		for _, block := range a.foreignWriters(pool) {
			if ok, err := a.try(ctx, s, w, block, ""); ok || err != nil {
				return ok, err
			}
		}
	}
	blocks, err := a.listBlocks(ctx, w.pools)
	if err != nil {
		return false, err
	}
	rand.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	for _, b := range blocks {
		if b.free(s.rules(a.now())) == 0 {
			continue
		}
		block := a.writer(b.cidr)
		block.learn(b)
		if ok, err := a.try(ctx, s, w, block, ""); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// pickWanted chooses the block of an address asked for by value; a block that does not exist becomes this node's.
func (a *Allocator) pickWanted(ctx context.Context, s *settings, w *want) error {
	cidr := w.pools[0].blockOf(w.addr)
	for range maxTries {
		block := a.writer(cidr)
		b, seen, err := block.read(ctx)
		if err != nil {
			return err
		}
		if b.exists() {
			if s.strict && b.owner() != a.owner() {
				return fmt.Errorf("%w: %s lies in block %s of %q, and strictAffinity forbids node %s to use it; choose an address of a block of the node",
					ErrStrict, w.addr, cidr, b.owner(), a.node)
			}
			w.block, w.seen, w.affine = block, seen, s.strict
			return nil
		}
		_, err = a.claim(ctx, a.fresh(cidr, s))
		if err != nil && !errors.Is(err, errClaimed) {
			return err
		}
	}
	return fmt.Errorf("%w: block %s appeared and vanished %d times in a row", ErrRetries, cidr, maxTries)
}
