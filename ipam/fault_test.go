// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// scenario is an operation that is interrupted at each of its writes in turn.
type scenario struct {
	name   string
	strict bool
	before func(w *world) // what other processes have done
	do     func(ctx context.Context, a *Allocator) error
}

var pod = map[string]string{"namespace": "prod", "pod": "web"}

var scenarios = []scenario{
	{name: "assign both families, claiming blocks", do: assigning(Request{Handle: "h", IPv4: true, IPv6: true})},
	{name: "assign more", before: assigned("n1", Request{Handle: "h", IPv4: true, IPv6: true}), do: assigning(Request{Handle: "h", IPv4: true, IPv6: true})},
	{name: "assign twice, without claims the second time", do: func(ctx context.Context, a *Allocator) error {
		return errors.Join(assigning(Request{Handle: "g", IPv4: true, IPv6: true})(ctx, a), assigning(Request{Handle: "h", IPv4: true, IPv6: true})(ctx, a))
	}},
	{name: "assign and release", do: func(ctx context.Context, a *Allocator) error {
		if err := assigning(Request{Handle: "h", IPv4: true, IPv6: true})(ctx, a); err != nil {
			return err
		}
		return a.ReleaseHandle(ctx, "h")
	}},
	{name: "release", before: assigned("n2", Request{Handle: "h", IPv4: true, IPv6: true}), do: func(ctx context.Context, a *Allocator) error { return a.ReleaseHandle(ctx, "h") }},
	{name: "borrow", before: func(w *world) {
		for i := range 6 {
			assigned("n2", Request{Handle: fmt.Sprint("other", i), IPv4: true})(w)
		}
		for i := range 5 {
			w.release(w.node("n2"), fmt.Sprint("other", i))
		}
		assigned("n1", Request{Handle: "mine", IPv4: true})(w)
		for i := range 3 {
			assigned("n1", Request{Handle: fmt.Sprint("mine", i), IPv4: true})(w)
		}
	}, do: assigning(Request{Handle: "h", IPv4: true, IPv6: true})},
	{name: "move a fixed address", before: assigned("n1", Request{Handle: "old", Addrs: addrs("10.0.0.5"), Attrs: pod}), do: assigning(Request{Handle: "h", Addrs: addrs("10.0.0.5"), IPv6: true, Attrs: pod})},
	{name: "release single addresses", before: assigned("n1", Request{Handle: "h", Addrs: addrs("10.0.0.5", "fd00::5")}), do: func(ctx context.Context, a *Allocator) error {
		return a.ReleaseAddrs(ctx, Release{Addr: addrs("10.0.0.5")[0]}, Release{Addr: addrs("fd00::5")[0]})
	}},
	{name: "reclaim", strict: true, before: func(w *world) {
		for i := range 8 {
			assigned("n2", Request{Handle: fmt.Sprint("other", i), IPv4: true})(w)
		}
		for i := range 8 {
			w.release(w.node("n2"), fmt.Sprint("other", i))
		}
		w.time = w.time.Add(time.Hour)
	}, do: assigning(Request{Handle: "h", IPv4: true})},
	{name: "release a node", before: assigned("n2", Request{Handle: "h", IPv4: true, IPv6: true}), do: func(ctx context.Context, a *Allocator) error {
		return a.ReleaseNode(ctx, "n2")
	}},
}

func assigning(r Request) func(context.Context, *Allocator) error {
	return func(ctx context.Context, a *Allocator) error {
		_, err := a.Assign(ctx, r)
		return err
	}
}

func assigned(node string, r Request) func(*world) {
	return func(w *world) { w.assign(w.node(node), r) }
}

// Whatever write of an operation is the last of its process, or has an unknown outcome: no address is lost or assigned twice, and
// those who come later clean up completely.
func TestFaultAtEachStep(t *testing.T) {
	for _, sc := range scenarios {
		for _, kind := range faults {
			t.Run(sc.name+"/"+string(kind), func(t *testing.T) {
				for _, how := range []way{single, grouped, sparing, twinned} {
					steps := 1
					for interrupted(t, sc, kind, steps, how) {
						steps++
					}
					if steps < 3 && how < sparing {
						t.Errorf("only %d writes were interrupted", steps-1)
					}
				}
			})
		}
	}
}

// way is how an allocator writes: one object after the other, in transactions, or without handles where it may, and then also with twins.
type way int

const (
	single way = iota
	grouped
	sparing
	twinned
)

// interrupted runs a scenario with a fault at its n-th write; false when it has fewer.
func interrupted(t *testing.T, sc scenario, kind fault, n int, how way) bool {
	six := "fd00::/120"
	if how == twinned {
		six = "fd00::/100"
	}
	w := newWorld(t, pool("four", "10.0.0.0/29", blockSize(30)), pool("six", six, blockSize(126)))
	w.spare = how >= sparing
	if sc.strict {
		w.create(config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity = to(true) }))
	}
	if sc.before != nil {
		sc.before(w)
	}
	before := w.held()
	f := &faultStore{Store: w.store, kind: kind, left: n}
	a := w.nodeOn(f, "n1")
	if how == grouped {
		a = w.nodeOn(faultTransactor{f}, "n1")
	}
	err := sc.do(t.Context(), a)
	if f.delayed != nil {
		f.arrive()
	}
	w.sound(false)
	if !f.happened() {
		if err != nil {
			t.Fatalf("without a fault: %v", err)
		}
		w.sound(true)
		return false
	}
	if kind == crashAfter || kind == crashBefore {
		a = w.node("n1") // restarted
	}
	for addr, handle := range before { // nobody else's address may be touched
		if now := w.held()[addr]; handle != "h" && handle != "old" && now != handle {
			t.Fatalf("step %d: %s belonged to %q, now to %q", n, addr, handle, now)
		}
	}
	cleanUp(w, a)
	return true
}

// cleanUp does what follows in life: workloads are torn down, others come, both nodes go on.
func cleanUp(w *world, a *Allocator) {
	w.t.Helper()
	for _, handle := range w.handles() {
		w.release(a, handle)
		w.release(w.node("n2"), handle)
	}
	if held := w.held(); len(held) != 0 {
		w.t.Fatalf("addresses without handle: %v", held)
	}
	w.sound(false)
	for _, node := range []*Allocator{a, w.node("n1"), w.node("n2")} {
		if got := w.assign(node, Request{Handle: "next", IPv6: true}); got == "" {
			w.t.Fatal("no address")
		}
		w.release(node, "next")
	}
	w.collectTwins()
	w.sound(true)
}

// handles returns the ids of all handles that exist, or have an address.
func (w *world) handles() []string {
	ids := map[string]bool{}
	for _, obj := range w.objects() {
		if h, ok := obj.(*v3.IPAMHandle); ok {
			ids[h.Spec.HandleID] = true
		}
	}
	for _, handle := range w.held() {
		ids[handle] = true
	}
	maps.DeleteFunc(ids, func(handle string, _ bool) bool { return strings.HasPrefix(handle, typeTwin+"-") })
	return slices.Sorted(maps.Keys(ids))
}

// gate is a store that calls a function before each write of a resource.
type gate struct {
	*faultStore
	before func(op string, r api.Resource)
}

func (g *gate) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	g.before("update", api.KeyOf(obj).Resource)
	return g.faultStore.Update(ctx, obj)
}

// Someone releases the handle just between the two steps of an assignment.
func TestReleaseOvertakesAssign(t *testing.T) {
	w := newWorld(t, pool("four", "10.0.0.0/29", blockSize(30)), pool("six", "fd00::/120"))
	done := false
	g := &gate{faultStore: &faultStore{Store: w.store, left: -1}}
	a := w.nodeOn(g, "n1")
	g.before = func(string, api.Resource) {}
	w.assign(a, Request{Handle: "first", IPv4: true})
	g.before = func(_ string, r api.Resource) {
		if r == api.IPAMBlocks && !done {
			done = true
			w.release(w.node("n2"), "h")
		}
	}
	_, err := a.Assign(t.Context(), Request{Handle: "h", IPv4: true})
	if err == nil || !strings.Contains(err.Error(), "released while") {
		t.Errorf("Assign: %v, want to hear of the release", err)
	}
	w.sound(true)
	if held := w.held(); len(held) != 1 {
		t.Errorf("held: %v", held)
	}
}
