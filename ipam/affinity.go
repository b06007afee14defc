// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// The states of a BlockAffinity.
const (
	statePending         = "pending"
	stateConfirmed       = "confirmed"
	statePendingDeletion = "pendingDeletion"
)

// The types of a BlockAffinity.
const (
	typeHost    = "host"
	typeVirtual = "virtual"
)

func (a *Allocator) affinityType() string {
	if a.virtual {
		return typeVirtual
	}
	return typeHost
}

// ownerIn returns the owner that an affinity speaks of.
func ownerIn(affinity *v3.BlockAffinity) string {
	if affinity.Spec.Type == typeVirtual {
		return virtualOwner(affinity.Spec.Node)
	}
	return OwnerOf(affinity.Spec.Node)
}

func affinityKey(node string, cidr netip.Prefix) api.Key {
	return api.Key{Resource: api.BlockAffinities, Name: AffinityName(node, cidr)}
}

// claim makes a block this node's, as fresh unless it exists, or says with errClaimed that it is another's. It may find any half-done state of an earlier claim.
func (a *Allocator) claim(ctx context.Context, fresh block) (*writer, error) {
	for try := range maxTries {
		w, err := a.claimOnce(ctx, fresh)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return w, err
		}
		pause(try)
	}
	return nil, fmt.Errorf("%w: the affinity of block %s to node %s was changed by others %d times in a row", ErrRetries, fresh.cidr, a.node, maxTries)
}

// fresh returns a block of this node's that is not stored yet.
func (a *Allocator) fresh(cidr netip.Prefix, s *settings) block {
	return newBlock(cidr, a.owner(), s.strict, a.now())
}

func (a *Allocator) claimOnce(ctx context.Context, fresh block) (*writer, error) {
	cidr := fresh.cidr
	affinity, err := a.pendingAffinity(ctx, cidr)
	if err != nil {
		return nil, err
	}
	created, err := a.store.Create(ctx, fresh.copy().obj)
	var b block
	switch {
	case err == nil:
		b = block{cidr, created.(*v3.IPAMBlock)}
	case errors.Is(err, store.ErrExists):
		if b, err = getBlock(ctx, a.store, cidr); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	switch {
	case !b.exists():
		return nil, fmt.Errorf("block %s: %w", cidr, store.ErrConflict) // deleted between the two calls
	case b.owner() != a.owner():
		return nil, a.retract(ctx, affinity)
	}
	if err := a.setState(ctx, affinity, stateConfirmed); err != nil {
		return nil, err
	}
	w := a.adopt(cidr)
	w.learn(b)
	return w, nil
}

// pendingAffinity returns this node's affinity to the block, made or brought back to pending unless it is confirmed.
func (a *Allocator) pendingAffinity(ctx context.Context, cidr netip.Prefix) (*v3.BlockAffinity, error) {
	obj := &v3.BlockAffinity{ObjectMeta: v3.ObjectMeta{Name: AffinityName(a.node, cidr)}}
	obj.Spec = v3.BlockAffinitySpec{State: statePending, Node: a.node, Type: a.affinityType(), CIDR: cidr.String()}
	created, err := a.store.Create(ctx, obj)
	if err == nil {
		return created.(*v3.BlockAffinity), nil
	}
	if !errors.Is(err, store.ErrExists) {
		return nil, err
	}
	got, err := a.store.Get(ctx, affinityKey(a.node, cidr))
	if err != nil {
		return nil, err
	}
	affinity := got.(*v3.BlockAffinity)
	if affinity.Spec.State == statePending || affinity.Spec.State == stateConfirmed && !affinity.Spec.Deleted {
		return affinity, nil
	}
	return a.putState(ctx, affinity, statePending)
}

// retract takes back a claim on a block that is another's.
func (a *Allocator) retract(ctx context.Context, affinity *v3.BlockAffinity) error {
	revision, err := store.RevisionOf(affinity)
	if err != nil {
		return err
	}
	if err := a.store.Delete(ctx, api.KeyOf(affinity), revision); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return fmt.Errorf("block %s: %w", affinity.Spec.CIDR, errClaimed)
}

// setState writes a state unless the affinity has it.
func (a *Allocator) setState(ctx context.Context, affinity *v3.BlockAffinity, state string) error {
	if affinity.Spec.State == state {
		return nil
	}
	_, err := a.putState(ctx, affinity, state)
	return err
}

func (a *Allocator) putState(ctx context.Context, affinity *v3.BlockAffinity, state string) (*v3.BlockAffinity, error) {
	next := *affinity
	next.Spec.State, next.Spec.Deleted = state, false
	written, err := a.store.Update(ctx, &next)
	if err != nil {
		return nil, err
	}
	return written.(*v3.BlockAffinity), nil
}

// giveBack ends the affinity of a node to a block: a block in use becomes an orphan, an empty one is deleted. With onlyEmpty a
// block in use is kept and the error Is errMoved.
func (a *Allocator) giveBack(ctx context.Context, affinity *v3.BlockAffinity, onlyEmpty bool) error {
	cidr, err := netip.ParsePrefix(affinity.Spec.CIDR)
	if err != nil {
		return fmt.Errorf("BlockAffinity %s: spec.cidr %q is no CIDR; delete the object", affinity.Name, affinity.Spec.CIDR)
	}
	leaving := affinity
	if affinity.Spec.State != statePendingDeletion {
		if leaving, err = a.putState(ctx, affinity, statePendingDeletion); err != nil {
			return err
		}
	}
	s, err := a.settings.get(ctx)
	if err != nil {
		return err
	}
	d := &disown{owner: ownerIn(affinity), onlyEmpty: onlyEmpty, rules: s.rules(a.now())}
	err = a.judgeTwin(ctx, cidr, d)
	if err == nil {
		err = a.disownCounted(ctx, cidr, d)
	}
	if err != nil {
		if errors.Is(err, errMoved) { // somebody took an address meanwhile, or may do so: the block stays
			return errors.Join(err, a.setState(ctx, leaving, stateConfirmed))
		}
		return err
	}
	if ownerIn(affinity) == a.owner() {
		a.disown(cidr)
	}
	revision, err := store.RevisionOf(leaving)
	if err != nil {
		return err
	}
	if err := a.store.Delete(ctx, api.KeyOf(leaving), revision); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// disown is the edit that takes a block from its owner. The writer deletes the block when it is empty then.
type disown struct {
	owner     string
	onlyEmpty bool
	twin      bond // of the block, when it was judged; zero: it was no twin
	ended     bool // no pair needs the twin any more
	rules     rules
	counted   map[string]int // handles that count addresses which were spared that
	marked    map[string]int // the result: how many such addresses there were
}

func (d *disown) apply(b *block) (changed bool, err error) {
	if !b.exists() || b.owner() != d.owner {
		return false, nil
	}
	if of, _ := b.bond(); of != d.twin { // another has been made in its place
		return false, errMoved
	}
	if d.ended {
		b.endTwin()
	}
	if d.onlyEmpty {
		if b.sweep(d.rules); !b.empty() {
			return false, errMoved
		}
	}
	if d.marked = b.spared(); !covers(d.counted, d.marked) {
		return false, errUncounted
	}
	b.unmark()
	b.obj.Spec.Affinity, b.obj.Spec.AffinityClaimTime = nil, nil
	return true, nil
}

// ReleaseNode gives the blocks of a node back, for example when the node is gone for good. Addresses that are in use stay with their
// handles, in blocks without owner.
func (a *Allocator) ReleaseNode(ctx context.Context, node string) error {
	affinities, err := a.affinitiesOf(ctx, node)
	if err != nil {
		return err
	}
	// Twins go after the blocks that they go with.
	slices.SortStableFunc(affinities, func(x, y *v3.BlockAffinity) int { return cmp.Compare(isIPv6(x), isIPv6(y)) })
	var errs []error
	for _, affinity := range affinities {
		errs = append(errs, at("block "+affinity.Spec.CIDR, a.giveBack(ctx, affinity, false)))
	}
	return errors.Join(errs...)
}

// isIPv6 returns 1 for a claim on a block of IPv6, else 0.
func isIPv6(affinity *v3.BlockAffinity) int {
	cidr, err := netip.ParsePrefix(affinity.Spec.CIDR)
	if err != nil {
		return 0
	}
	return int(familyOf(cidr.Addr()))
}

// affinitiesOf lists the affinities of a node.
func (a *Allocator) affinitiesOf(ctx context.Context, node string) ([]*v3.BlockAffinity, error) {
	list, err := a.store.List(ctx, api.BlockAffinities, "")
	if err != nil {
		return nil, err
	}
	var out []*v3.BlockAffinity
	for _, obj := range list.Items {
		if affinity := obj.(*v3.BlockAffinity); affinity.Spec.Node == node && (affinity.Spec.Type == typeVirtual) == a.virtual {
			out = append(out, affinity)
		}
	}
	return out, nil
}
