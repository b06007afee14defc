// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// writes is a store without transactions that counts what is written.
type writes struct {
	store.Store
	n map[string]int // by operation and kind
}

func (s *writes) count(op string, r api.Resource) { s.n[op+" "+r.Plural()]++ }

func (s *writes) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	s.count("create", api.KeyOf(obj).Resource)
	return s.Store.Create(ctx, obj)
}

func (s *writes) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	s.count("update", api.KeyOf(obj).Resource)
	return s.Store.Update(ctx, obj)
}

func (s *writes) Delete(ctx context.Context, key api.Key, revision int64) error {
	s.count("delete", key.Resource)
	return s.Store.Delete(ctx, key, revision)
}

// TestSpareHandles: a workload's address in a block of the node is one write, and its release another; what is borrowed, or is no workload's, has a handle.
func TestSpareHandles(t *testing.T) {
	w := newWorld(t, pool("four", "10.0.0.0/29", blockSize(30)))
	w.spare = true
	s := &writes{Store: w.store, n: map[string]int{}}
	a := w.nodeOn(s, "n1")
	w.assign(a, Request{Handle: "first", IPv4: true})
	clear(s.n)
	w.assign(a, Request{Handle: "second", IPv4: true})
	w.release(a, "second")
	if len(s.n) != 1 || s.n["update ipamblocks"] != 2 {
		t.Errorf("an assignment and its release wrote %v", s.n)
	}
	w.sound(true)

	w.assign(a, Request{Handle: "tunnel", IPv4: true, Use: v3.UseTunnel})
	if s.n["create ipamhandles"] != 1 {
		t.Errorf("a tunnel's address: %v", s.n)
	}
	if held, err := a.ByHandle(t.Context(), "tunnel"); err != nil || len(held) != 1 {
		t.Errorf("a tunnel has %v, %v", held, err)
	}
	other := w.node("n2")
	for _, handle := range []string{"b", "c", "d", "e"} {
		w.assign(other, Request{Handle: handle, IPv4: true})
	}
	clear(s.n)
	w.assign(other, Request{Handle: "borrowed", IPv4: true}) // of n1's block
	w.sound(true)
	w.release(other, "borrowed")

	if err := a.ReleaseNode(t.Context(), "n1"); err != nil { // first's block is nobody's now
		t.Fatal(err)
	}
	for _, handle := range []string{"first", "tunnel"} {
		w.release(a, handle)
	}
	for _, handle := range []string{"b", "c", "d", "e"} {
		w.release(w.node("n2"), handle) // after a restart
	}
	if held := w.held(); len(held) != 0 {
		t.Errorf("held: %v", held)
	}
	w.sound(true)
}

// TestReleaseFences: a write that an agent sent before it was killed does not come true after its successor has released the handle.
func TestReleaseFences(t *testing.T) {
	w := newWorld(t, pool("four", "10.0.0.0/29", blockSize(30)))
	w.spare = true
	w.assign(w.node("n1"), Request{Handle: "first", IPv4: true})
	cidr := netipPrefix(strings.Fields(w.blocks())[0])
	sent, err := getBlock(t.Context(), w.store, cidr)
	if err != nil {
		t.Fatal(err)
	}
	next := sent.copy()
	next.takeNext(func(int) holder { return holder{"h", withoutHandle(nil)} }, rules{})
	w.release(w.node("n1"), "h") // by a successor
	if _, err := w.store.Update(t.Context(), next.obj); !isErr(err, store.ErrConflict) {
		t.Errorf("the late write: %v; held %v", err, w.held())
	}
	w.sound(true)
}
