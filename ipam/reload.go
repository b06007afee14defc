// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store"
)

// load reads this node's blocks once.
func (a *Allocator) load(ctx context.Context, s *settings) error {
	a.mu.Lock()
	loaded := a.loaded
	a.mu.Unlock()
	if loaded {
		return nil
	}
	return a.reload(ctx, s)
}

// reload reads this node's blocks and finishes what crashes left half done. Empty blocks of pools that no longer select the node are
// given back.
func (a *Allocator) reload(ctx context.Context, s *settings) error {
	a.loading.Lock()
	defer a.loading.Unlock()
	affinities, err := a.affinitiesOf(ctx, a.node)
	if err != nil {
		return err
	}
	labels, err := a.nodeLabels(ctx, s)
	if err != nil {
		return err
	}
	for _, affinity := range affinities {
		cidr, err := netip.ParsePrefix(affinity.Spec.CIDR)
		if err != nil {
			continue // Check names it
		}
		if err := a.settle(ctx, s, affinity, cidr, labels); err != nil && !passing(err) {
			return fmt.Errorf("block %s of node %s: %w", cidr, a.node, err)
		}
	}
	for _, cidr := range a.ownBlocks() {
		if err := a.recheck(ctx, cidr); err != nil {
			return err
		}
	}
	if err := a.endTwins(ctx, affinities); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loaded = true
	return nil
}

// passing reports that another process was quicker; its result shows at the next look.
func passing(err error) bool {
	return errors.Is(err, errClaimed) || errors.Is(err, errMoved) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound)
}

// settle brings one affinity of this node to an end: confirmed and known here, or gone.
func (a *Allocator) settle(ctx context.Context, s *settings, affinity *v3.BlockAffinity, cidr netip.Prefix, labels selector.Labels) error {
	pool := s.poolOf(cidr.Addr())
	switch {
	case affinity.Spec.State == statePendingDeletion || affinity.Spec.Deleted:
		return a.giveBack(ctx, affinity, false)
	case pool == nil, pool.BlockBits != cidr.Bits():
		return nil // the pool is gone or was made anew: addresses in use stay, new ones do not come from here
	case !pool.nodes.Matches(labels):
		return a.giveBack(ctx, affinity, true)
	case affinity.Spec.State == stateConfirmed && a.owns(cidr):
		return nil
	}
	_, err := a.claim(ctx, a.fresh(cidr, s))
	return err
}

// recheck reads a block of this node again: others may have freed addresses of it, or taken it.
func (a *Allocator) recheck(ctx context.Context, cidr netip.Prefix) error {
	b, _, err := a.writer(cidr).read(ctx)
	if err == nil && b.owner() != a.owner() {
		a.disown(cidr)
	}
	return err
}

func (a *Allocator) owns(cidr netip.Prefix) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own[cidr]
}
