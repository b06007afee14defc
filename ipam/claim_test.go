// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

func TestClaimOfAnothersBlock(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24", blockSize(30)))
	cidr := netipPrefix("10.0.0.8/30")
	if _, err := w.node("n1").claim(t.Context(), newBlock(cidr, OwnerOf("n1"), false, w.time)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.node("n2").claim(t.Context(), newBlock(cidr, OwnerOf("n2"), false, w.time)); !isErr(err, errClaimed) {
		t.Errorf("claim = %v, want errClaimed", err)
	}
	w.sound(true)
	if got := w.blocks(); got != "10.0.0.8/30 n1" {
		t.Errorf("blocks: %s", got)
	}
}

// Two processes of one node (an old agent that is not gone yet) may claim the same block.
func TestClaimTwiceForOneNode(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24", blockSize(30)))
	cidr := netipPrefix("10.0.0.8/30")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := w.node("n1").claim(context.Background(), newBlock(cidr, OwnerOf("n1"), false, w.time)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.sound(true)
}

func TestGiveBackOnlyEmpty(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)))
	a := w.node("n1")
	w.assign(a, Request{Handle: "a", IPv4: true})
	affinity := w.affinity("n1", "10.0.0.0/30")
	if err := w.node("n2").giveBack(t.Context(), affinity, true); !isErr(err, errMoved) {
		t.Errorf("giveBack = %v, want errMoved", err)
	}
	w.sound(true)
	if got := w.blocks(); got != "10.0.0.0/30 n1" {
		t.Errorf("blocks: %s", got)
	}
}

// A give-back that was interrupted is finished even when the pool is gone.
func TestFinishGiveBack(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)), pool("q", "10.1.0.0/30", blockSize(30)))
	w.assign(w.node("n1"), Request{Handle: "a", IPv4: true, Pools4: []string{"p"}})
	affinity := api.Clone(w.affinity("n1", "10.0.0.0/30"))
	affinity.Spec.State = statePendingDeletion
	if _, err := w.store.Update(t.Context(), affinity); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Delete(t.Context(), poolKey("p"), 0); err != nil {
		t.Fatal(err)
	}
	w.assign(w.node("n1"), Request{Handle: "b", IPv4: true})
	if got := w.blocks(); got != "10.0.0.0/30 -, 10.1.0.0/30 n1" {
		t.Errorf("blocks: %s", got)
	}
}

// Workloads that come at once on a node without blocks share one claim.
func TestConcurrentAssignsShareOneBlock(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/16"), pool("q", "fd00::/48"))
	a := w.node("n1")
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			if _, err := a.Assign(context.Background(), Request{Handle: fmt.Sprint(i), IPv4: true, IPv6: true}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.sound(true)
	if a.owned(0) != 1 || a.owned(1) != 1 || len(w.held()) != 64 {
		t.Errorf("blocks %s, %d addresses; want one block a family and 64 addresses", w.blocks(), len(w.held()))
	}
}

func TestReserveCountsOnFreeAddresses(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/31", blockSize(31)))
	a := w.node("n1")
	w.assign(a, Request{Handle: "a", IPv4: true})
	block := a.writer(netipPrefix("10.0.0.0/31"))
	for i, want := range []bool{true, false, true} {
		if i == 2 {
			block.unreserve()
		}
		if ok, _, err := block.reserve(t.Context(), OwnerOf("n1"), rules{now: w.time}); ok != want || err != nil {
			t.Errorf("reserve %d = %v, %v; want %v", i, ok, err, want)
		}
	}
}

// A handle whose release was interrupted is released before it is used again.
func TestAssignToHalfReleasedHandle(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)))
	a := w.node("n1")
	w.assign(a, Request{Handle: "h", IPv4: true})
	obj, err := w.store.Get(t.Context(), handleKey("h"))
	if err != nil {
		t.Fatal(err)
	}
	h := api.Clone(obj).(*v3.IPAMHandle)
	h.Spec.Deleted = true
	if _, err := w.store.Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	w.assign(a, Request{Handle: "h", IPv4: true})
	w.sound(true)
	if len(w.held()) != 1 {
		t.Errorf("held: %v", w.held())
	}
}

// lateBlock answers writes to blocks with "unknown", and does the last of them when a handle is deleted or changed.
type lateBlock struct {
	store.Store
	on      bool
	pending *v3.IPAMBlock
	gone    bool // the datastore does not answer writes to blocks at all
}

func (l *lateBlock) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	if b, ok := obj.(*v3.IPAMBlock); ok && l.on {
		if l.pending == nil || l.gone {
			l.pending = api.Clone(b)
			return nil, fmt.Errorf("%w: no answer", store.ErrUnavailable)
		}
	}
	return l.Store.Update(ctx, obj)
}

func (l *lateBlock) Delete(ctx context.Context, key api.Key, revision int64) error {
	err := l.Store.Delete(ctx, key, revision)
	l.arrive()
	return err
}

func (l *lateBlock) arrive() {
	if l.pending != nil {
		_, _ = l.Store.Update(context.Background(), l.pending)
		l.pending = nil
	}
}

// An assignment is given up after a write that did not answer. When that write comes true later, the address must not be lost.
func TestGivenUpWriteArrivesLate(t *testing.T) {
	for _, gone := range []bool{false, true} {
		w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)))
		l := &lateBlock{Store: w.store, gone: gone}
		a := w.nodeOn(l, "n1")
		w.assign(a, Request{Handle: "first", IPv4: true})
		l.on = true
		ctx, cancel := context.WithCancel(t.Context())
		l2 := &cancelAfter{lateBlock: l, cancel: cancel}
		a.store = l2
		a.writer(netipPrefix("10.0.0.0/30")).store = l2
		if _, err := a.Assign(ctx, Request{Handle: "h", IPv4: true}); err == nil {
			t.Fatal("Assign succeeded without an answer of the datastore")
		}
		l.arrive()
		l.on = false
		w.sound(false)
		w.release(w.node("n1"), "h")
		if len(w.held()) != 1 {
			t.Errorf("gone=%v: held %v", gone, w.held())
		}
		w.sound(true)
	}
}

// cancelAfter ends the caller's context at the first write to a block.
type cancelAfter struct {
	*lateBlock
	cancel func()
}

func (c *cancelAfter) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	if _, ok := obj.(*v3.IPAMBlock); ok {
		c.cancel()
	}
	return c.lateBlock.Update(ctx, obj)
}

func (w *world) affinity(node, cidr string) *v3.BlockAffinity {
	w.t.Helper()
	obj, err := w.store.Get(w.t.Context(), affinityKey(node, netipPrefix(cidr)))
	if err != nil {
		w.t.Fatal(err)
	}
	return obj.(*v3.BlockAffinity)
}
