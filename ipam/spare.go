// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	v3 "github.com/weftnet/weft/api/v3"
)

// With Options.SpareHandles an address of a workload in a block of this node has no handle object. The block names the handle anyway, and says that no
// object counts the address:
//
//	assign     take it in the block                                     crash after: the release finds it
//	release    free what this node's blocks have of the handle
//	give back  1 count what was not  2 take the block from its node     crash after 1: the handle counts too much
//
// So only the node of the block can release it by the handle, as the CNI plugin does, and the node has one such process at a time; others release single
// addresses. The fence of a release is the block,
// too: what an earlier process of the node has sent before it died fails once this process has written the block, so a release writes one that
// this process has not written yet, whether it frees something or not.

// handleObject is the attribute of an address that no handle object counts; its value is noHandle.
const (
	handleObject = "handleObject"
	noHandle     = "none"
)

// spared tells whether no handle object counts an address.
func spared(attr *v3.AllocationAttribute) bool {
	return attr != nil && attr.Secondary[handleObject] == noHandle
}

// withoutHandle marks the attributes of an address.
func withoutHandle(attrs map[string]string) map[string]string {
	out := maps.Clone(attrs)
	if out == nil {
		out = map[string]string{}
	}
	out[handleObject] = noHandle
	return out
}

// spares tells whether an address needs no handle object.
func (t *assignment) spares(w *want) bool { return t.a.spare && w.affine && t.r.Use == v3.UseWorkload }

// releaseSpared frees what a handle counts and what else this node's blocks have of it.
func (a *Allocator) releaseSpared(ctx context.Context, id string) error {
	s, err := a.settings.get(ctx)
	if err != nil {
		return err
	}
	if err := a.load(ctx, s); err != nil { // which may count what was not
		return err
	}
	if err := a.releaseCounted(ctx, id); err != nil {
		return err
	}
	var frees []*free
	for _, cidr := range a.ownBlocks() {
		w := a.writer(cidr)
		b, _, err := w.peek(ctx)
		if err != nil {
			return err
		}
		if _, ok := b.bond(); ok && b.whole() {
			continue // nothing can be taken from it, so there is nothing to fence
		}
		if f := (&free{cidr: cidr, handle: id, fence: !w.isOurs(), rules: s.rules(a.now())}); f.fence || len(b.heldBy(id)) > 0 {
			frees = append(frees, f)
		}
	}
	return parallel(frees, func(f *free) error {
		if err := a.writer(f.cidr).do(&request{edit: f, ctx: ctx}); err != nil || f.freed == 0 {
			return err
		}
		_, err := a.count(ctx, id, counts{f.cidr: -f.freed}) // the block is being given back, and the address was counted meanwhile
		return err
	})
}

func (w *writer) isOurs() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ours
}

// errUncounted ends an edit of a block that has an address which neither a handle object counts nor, from then on, a node.
var errUncounted = errors.New("an address was assigned meanwhile")

// disownCounted takes a block from its owner once handles count all of its addresses.
func (a *Allocator) disownCounted(ctx context.Context, cidr netip.Prefix, d *disown) error {
	d.counted = map[string]int{}
	for try := range maxTries {
		err := a.writer(cidr).do(&request{edit: d, ctx: ctx})
		if err == nil {
			return a.countSpared(ctx, cidr, d, -1)
		}
		if !errors.Is(err, errUncounted) {
			return err
		}
		if err := a.countSpared(ctx, cidr, d, 1); err != nil {
			return err
		}
		pause(try)
	}
	return fmt.Errorf("%w: addresses of block %s were assigned %d times in a row while it was given back", ErrRetries, cidr, maxTries)
}

// countSpared brings the handles to what the block had when it was last looked at; sign says in which direction.
func (a *Allocator) countSpared(ctx context.Context, cidr netip.Prefix, d *disown, sign int) error {
	for handle := range union(d.counted, d.marked) {
		n := d.marked[handle] - d.counted[handle]
		if n*sign <= 0 {
			continue
		}
		if _, err := a.count(ctx, handle, counts{cidr: n}); err != nil {
			return err
		}
		d.counted[handle] += n
	}
	return nil
}

func union(a, b map[string]int) map[string]int {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// covers tells whether have is nowhere below want.
func covers(have, want map[string]int) bool {
	for key, n := range want {
		if have[key] < n {
			return false
		}
	}
	return true
}

// spared returns how many addresses of the block no handle object counts, by handle. A twin needs none, whoever has it: its content says when it may go.
func (b block) spared() map[string]int {
	out := map[string]int{}
	for i := range b.obj.Spec.Allocations {
		if handle, attr := b.handleAt(i), b.attr(i); handle != "" && spared(attr) && !isTwin(attr) {
			out[handle]++
		}
	}
	return out
}

// unmark says that handle objects count all addresses.
func (b block) unmark() {
	for i := range b.obj.Spec.Attributes {
		if attr := &b.obj.Spec.Attributes[i]; spared(attr) && !isTwin(attr) {
			attr.Secondary = maps.Clone(attr.Secondary)
			delete(attr.Secondary, handleObject)
		}
	}
}
