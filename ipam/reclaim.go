// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"strings"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// reclaimAge is how long another node may sit on an empty block when the pool has no other.
const reclaimAge = time.Minute

// reclaim takes over an empty block whose owner has had it for longer than reclaimAge, or that has none. Nil: there is none.
func (a *Allocator) reclaim(ctx context.Context, s *settings, blocks []block) (*writer, error) {
	for _, b := range blocks {
		if !a.idle(s, b) {
			continue
		}
		if err := a.evict(ctx, s, b); err != nil {
			if passing(err) {
				continue
			}
			return nil, err
		}
		w, err := a.claim(ctx, a.fresh(b.cidr, s))
		if err == nil || !errors.Is(err, errClaimed) {
			return w, err
		}
	}
	return nil, nil
}

// idle reports that a block of another node, or of none, may be taken over.
func (a *Allocator) idle(s *settings, b block) bool {
	if b.owner() == a.owner() || strings.HasPrefix(b.owner(), "virtual:") || s.reserved.covers(b.cidr) {
		return false
	}
	since := b.obj.Spec.AffinityClaimTime
	if b.owner() != "" && since != nil && a.now().Sub(since.Time) <= reclaimAge {
		return false
	}
	b = b.copy()
	b.sweep(s.rules(a.now()))
	return b.empty()
}

// evict removes an empty block of another node, or of none.
func (a *Allocator) evict(ctx context.Context, s *settings, b block) error {
	if node, owned := strings.CutPrefix(b.owner(), "host:"); owned {
		obj, err := a.store.Get(ctx, affinityKey(node, b.cidr))
		if err == nil {
			return a.giveBack(ctx, obj.(*v3.BlockAffinity), true)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	d := &disown{owner: b.owner(), onlyEmpty: true, rules: s.rules(a.now())}
	return a.writer(b.cidr).do(&request{edit: d, ctx: ctx})
}
