// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// ReleaseHandle frees all addresses of a handle. A handle that does not exist, or no more, is no error.
func (a *Allocator) ReleaseHandle(ctx context.Context, handle string) error {
	defer a.locks.lock(handle)()
	if err := a.release(ctx, handle); err != nil {
		return fmt.Errorf("release the addresses of %s: %w", handle, err)
	}
	return nil
}

// release is ReleaseHandle with the handle locked.
func (a *Allocator) release(ctx context.Context, id string) error {
	if a.spare {
		return a.releaseSpared(ctx, id)
	}
	return a.releaseCounted(ctx, id)
}

// releaseCounted frees what a handle counts.
func (a *Allocator) releaseCounted(ctx context.Context, id string) error {
	for try := range maxTries {
		h, err := a.getHandle(ctx, id)
		if err != nil || h == nil {
			return err
		}
		err = a.releaseOnce(ctx, h)
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		pause(try)
	}
	return fmt.Errorf("%w: handle %s was changed by others %d times in a row", ErrRetries, id, maxTries)
}

// releaseOnce frees what h counts and deletes it. When the blocks hold less than it counts, someone may be about to take the rest: it is
// marked deleted and the caller has to come again, with fences then. The error Is store.ErrConflict.
func (a *Allocator) releaseOnce(ctx context.Context, h *v3.IPAMHandle) error {
	revision, err := store.RevisionOf(h)
	if err != nil {
		return err
	}
	short, err := a.freeAll(ctx, h)
	if err != nil {
		return err
	}
	if short && !h.Spec.Deleted {
		marked := *h
		marked.Spec.Deleted = true
		if _, err := a.store.Update(ctx, &marked); err != nil {
			return err
		}
		return store.ErrConflict
	}
	return a.store.Delete(ctx, handleKey(h.Spec.HandleID), revision)
}

// freeAll frees the addresses of h in all its blocks at once. Short reports that there were fewer than it counts.
func (a *Allocator) freeAll(ctx context.Context, h *v3.IPAMHandle) (short bool, err error) {
	s, err := a.settings.get(ctx)
	if err != nil {
		return false, err
	}
	var frees []*free
	for text := range h.Spec.Block {
		cidr, err := netip.ParsePrefix(text)
		if err != nil {
			return false, fmt.Errorf("IPAMHandle %s: spec.block %q is no CIDR; delete the entry", h.Name, text)
		}
		frees = append(frees, &free{cidr: cidr, handle: h.Spec.HandleID, fence: h.Spec.Deleted, rules: s.rules(a.now())})
	}
	err = parallel(frees, func(f *free) error { return a.writer(f.cidr).do(&request{edit: f, ctx: ctx}) })
	for _, f := range frees {
		short = short || f.freed < h.Spec.Block[f.cidr.String()]
	}
	return short, err
}

// free is the edit that frees all addresses of a handle in one block.
type free struct {
	cidr   netip.Prefix
	handle string
	fence  bool // change the block even if it holds nothing, so that writes under way fail
	rules  rules
	freed  int // the result, of what the handle counts
}

func (f *free) apply(b *block) (changed bool, err error) {
	held, counted := b.heldBy(f.handle), 0
	for _, i := range held {
		if !spared(b.attr(i)) {
			counted++
		}
		b.release(i, f.rules)
	}
	f.freed = max(f.freed, counted) // a write of unknown outcome may have freed them before
	return len(held) > 0 || f.fence && b.exists(), nil
}

// Release names one address to free. Handle and Sequence, where given, must be the address's: they keep a late release from freeing
// what was assigned again meanwhile.
type Release struct {
	Addr     netip.Addr
	Handle   string
	Sequence *uint64 // IPAMBlock.spec.sequenceNumberForAllocation
}

// ReleaseAddrs frees single addresses. An address that is free already is no error. When one of a block is not as it should be, the
// error Is ErrMismatch and none of that block is freed.
func (a *Allocator) ReleaseAddrs(ctx context.Context, list ...Release) error {
	s, err := a.settings.get(ctx)
	if err != nil {
		return err
	}
	byBlock := map[netip.Prefix]*freeSome{}
	for _, r := range list {
		cidr, err := a.blockOf(ctx, s, r.Addr)
		if err != nil {
			return err
		}
		if byBlock[cidr] == nil {
			byBlock[cidr] = &freeSome{rules: s.rules(a.now())}
		}
		byBlock[cidr].list = append(byBlock[cidr].list, r)
	}
	var errs []error
	for cidr, f := range byBlock {
		if err := a.writer(cidr).do(&request{edit: f, ctx: ctx}); err != nil {
			errs = append(errs, err)
			continue
		}
		for handle, n := range f.freed {
			_, err := a.count(ctx, handle, counts{cidr: -n})
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// blockOf finds the block of an address: by its pool, or when that is gone, by looking at all blocks.
func (a *Allocator) blockOf(ctx context.Context, s *settings, addr netip.Addr) (netip.Prefix, error) {
	if p := s.poolOf(addr); p != nil {
		return p.blockOf(addr), nil
	}
	blocks, err := a.listBlocks(ctx, nil)
	if err != nil {
		return netip.Prefix{}, err
	}
	i := slices.IndexFunc(blocks, func(b block) bool { return b.cidr.Contains(addr) })
	if i < 0 {
		return netip.Prefix{}, fmt.Errorf("%s belongs to no pool and no block; check the address", addr)
	}
	return blocks[i].cidr, nil
}

// freeSome is the edit that frees chosen addresses of one block.
type freeSome struct {
	list  []Release
	rules rules
	freed map[string]int // the result: how many by handle
}

func (f *freeSome) apply(b *block) (changed bool, err error) {
	if !b.exists() {
		return false, nil
	}
	for _, r := range f.list {
		i := minus(r.Addr, b.cidr.Addr())
		attr := b.attr(i)
		switch {
		case attr == nil || attr.ReleasedAt != nil:
		case b.owner() != "" && isTwin(attr):
			return false, fmt.Errorf("%w: %s is of %s; release that one", ErrMismatch, r.Addr, holderText(b, i))
		case r.Handle != "" && r.Handle != b.handleAt(i):
			return false, fmt.Errorf("%w: %s belongs to handle %q, not to %q; nothing of block %s was released", ErrMismatch, r.Addr, b.handleAt(i), r.Handle, b.cidr)
		case r.Sequence != nil && *r.Sequence != b.sequence(i):
			return false, fmt.Errorf("%w: %s was assigned again since (sequence %d, not %d); nothing of block %s was released", ErrMismatch, r.Addr, b.sequence(i), *r.Sequence, b.cidr)
		}
	}
	freed := map[string]int{}
	for _, r := range f.list {
		i := minus(r.Addr, b.cidr.Addr())
		attr := b.attr(i)
		if attr == nil || attr.ReleasedAt != nil {
			continue
		}
		if handle := b.handleAt(i); handle != "" && !spared(attr) {
			freed[handle]++
		}
		b.release(i, f.rules)
		changed = true
	}
	if changed {
		f.freed = freed
	}
	return changed, nil
}
