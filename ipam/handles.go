// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// counts says how many addresses to add to or take off a handle, by block.
type counts map[netip.Prefix]int

// errReleased ends an assignment whose handle was released meanwhile.
var errReleased = errors.New("the handle was released while an address was being assigned to it; assign again")

// getHandle reads a handle; one that does not exist is nil.
func (a *Allocator) getHandle(ctx context.Context, id string) (*v3.IPAMHandle, error) {
	obj, err := a.store.Get(ctx, handleKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h := obj.(*v3.IPAMHandle)
	if h.Spec.HandleID != id {
		return nil, fmt.Errorf("IPAMHandle %s belongs to handle %q, not to %q; release that one first", h.Name, h.Spec.HandleID, id)
	}
	return h, nil
}

// count changes what a handle counts and returns the handle's identity. A handle that counts nothing is deleted.
func (a *Allocator) count(ctx context.Context, id string, add counts) (types.UID, error) {
	for try := range maxTries {
		// A new owner is the usual case, so creation is tried first, and a read is spared.
		uid, err := a.createHandle(ctx, id, add)
		if !errors.Is(err, store.ErrExists) {
			return uid, err
		}
		uid, err = a.changeHandle(ctx, id, add)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return uid, err
		}
		pause(try)
	}
	return "", fmt.Errorf("%w: handle %s was changed by others %d times in a row", ErrRetries, id, maxTries)
}

// createHandle makes a handle, unless there is nothing to count.
func (a *Allocator) createHandle(ctx context.Context, id string, add counts) (types.UID, error) {
	block := sum(nil, add)
	if len(block) == 0 {
		return "", store.ErrExists
	}
	created, err := a.store.Create(ctx, newHandle(id, block))
	if err != nil {
		return "", err
	}
	return created.GetUID(), nil
}

// newHandle returns a handle that counts addresses by block.
func newHandle(id string, block map[string]int) *v3.IPAMHandle {
	return &v3.IPAMHandle{ObjectMeta: v3.ObjectMeta{Name: HandleName(id)}, Spec: v3.IPAMHandleSpec{HandleID: id, Block: block}}
}

// changeHandle does one compare-and-swap on an existing handle.
func (a *Allocator) changeHandle(ctx context.Context, id string, add counts) (types.UID, error) {
	h, err := a.getHandle(ctx, id)
	switch {
	case err != nil:
		return "", err
	case h == nil && len(sum(nil, add)) == 0:
		return "", nil
	case h == nil:
		return "", store.ErrNotFound
	case h.Spec.Deleted && len(sum(nil, add)) > 0:
		return "", a.finishRelease(ctx, h)
	}
	revision, err := store.RevisionOf(h)
	if err != nil {
		return "", err
	}
	next := *h
	if next.Spec.Block = sum(h.Spec.Block, add); len(next.Spec.Block) == 0 {
		return h.UID, a.store.Delete(ctx, handleKey(id), revision)
	}
	_, err = a.store.Update(ctx, &next)
	return h.UID, err
}

// finishRelease ends what someone who releases the handle has begun; then the handle is free to be used anew. It may run while this node's blocks are read.
func (a *Allocator) finishRelease(ctx context.Context, h *v3.IPAMHandle) error {
	if err := a.releaseCounted(ctx, h.Spec.HandleID); err != nil {
		return err
	}
	return store.ErrConflict
}

// verify returns a check that the handle is still the one that counts the address.
func (a *Allocator) verify(id string, uid types.UID) func(context.Context) error {
	return func(ctx context.Context) error {
		h, err := a.getHandle(ctx, id)
		if err != nil {
			return err
		}
		if h == nil || h.Spec.Deleted || h.UID != uid {
			return fmt.Errorf("handle %s: %w", id, errReleased)
		}
		return nil
	}
}

// sum returns the counts above 0 of have + add.
func sum(have map[string]int, add counts) map[string]int {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]int{}
	}
	for cidr, n := range add {
		key := cidr.String()
		if out[key] += n; out[key] <= 0 {
			delete(out, key)
		}
	}
	return out
}

func handleKey(id string) api.Key { return api.Key{Resource: api.IPAMHandles, Name: HandleName(id)} }
