// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

// world is a store with pools, and a clock.
type world struct {
	t     testing.TB
	store store.Store
	time  time.Time
	spare bool // allocators spare handles
}

func newWorld(t testing.TB, objs ...api.Object) *world {
	w := &world{t: t, store: memstore.New(), time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	t.Cleanup(func() { _ = w.store.Close() })
	w.create(objs...)
	return w
}

func (w *world) create(objs ...api.Object) {
	w.t.Helper()
	for _, obj := range objs {
		if _, err := w.store.Create(w.t.Context(), obj); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) node(name string) *Allocator { return w.nodeOn(w.store, name) }

func (w *world) nodeOn(s store.Store, name string) *Allocator {
	a := New(s, Options{Node: name, Now: func() time.Time { return w.time }, SpareHandles: w.spare})
	w.t.Cleanup(a.Close)
	return a
}

// assign must succeed; it returns the addresses as text.
func (w *world) assign(a *Allocator, r Request) string {
	w.t.Helper()
	result, err := a.Assign(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return join(result.Addrs)
}

// refused must fail as want, with a text that holds all of words.
func (w *world) refused(a *Allocator, r Request, want error, words ...string) {
	w.t.Helper()
	result, err := a.Assign(w.t.Context(), r)
	if !errors.Is(err, want) || len(result.Addrs) != 0 {
		w.t.Fatalf("Assign(%+v) = %v, %v; want %v", r, result, err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.t.Errorf("error %q lacks %q", err, word)
		}
	}
}

func (w *world) release(a *Allocator, handle string) {
	w.t.Helper()
	if err := a.ReleaseHandle(w.t.Context(), handle); err != nil {
		w.t.Fatal(err)
	}
}

// objects reads all that Check looks at.
func (w *world) objects() []api.Object {
	w.t.Helper()
	var out []api.Object
	for _, r := range []api.Resource{api.IPPools, api.IPAMBlocks, api.BlockAffinities, api.IPAMHandles, api.WorkloadEndpoints} {
		list, err := w.store.List(w.t.Context(), r, "")
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, list.Items...)
	}
	return out
}

// sound fails when an invariant is broken, or with quiet, when anything is left over.
func (w *world) sound(quiet bool) {
	w.t.Helper()
	for _, v := range Check(w.objects()) {
		if quiet || !v.Leftover {
			w.t.Errorf("%v", v)
		}
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// held returns what the blocks say: handle by address.
func (w *world) held() map[netip.Addr]string {
	w.t.Helper()
	out := map[netip.Addr]string{}
	for _, obj := range w.objects() {
		if obj, ok := obj.(*v3.IPAMBlock); ok {
			b, err := readBlock(obj)
			if err != nil {
				w.t.Fatal(err)
			}
			for i := range obj.Spec.Allocations {
				handle := b.handleAt(i)
				if handle == "" || isTwin(b.attr(i)) {
					continue
				}
				out[b.addr(i)] = handle
				if addr := b.paired(i); addr.IsValid() {
					if other := out[addr]; other != "" {
						w.t.Fatalf("%s belongs to %s and comes with %s of %s", addr, other, b.addr(i), handle)
					}
					out[addr] = handle
				}
			}
		}
	}
	return out
}

// blocks returns "cidr owner" of all blocks.
func (w *world) blocks() string {
	var out []string
	for _, obj := range w.objects() {
		if obj, ok := obj.(*v3.IPAMBlock); ok {
			owner := "-"
			if obj.Spec.Affinity != nil {
				owner = strings.TrimPrefix(*obj.Spec.Affinity, "host:")
			}
			out = append(out, obj.Spec.CIDR+" "+owner)
		}
	}
	return strings.Join(out, ", ")
}

func join(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}

func pool(name, cidr string, edits ...func(*v3.IPPoolSpec)) *v3.IPPool {
	p := &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.IPPoolSpec{CIDR: cidr}}
	for _, edit := range edits {
		edit(&p.Spec)
	}
	return p
}

func blockSize(n int) func(*v3.IPPoolSpec) { return func(s *v3.IPPoolSpec) { s.BlockSize = &n } }

func config(edit func(*v3.IPAMConfigurationSpec)) *v3.IPAMConfiguration {
	c := &v3.IPAMConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}}
	edit(&c.Spec)
	return c
}

func to[T any](v T) *T { return &v }

func addrs(text ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range text {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func netipPrefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func isErr(err, want error) bool { return errors.Is(err, want) }

func poolKey(name string) api.Key { return api.Key{Resource: api.IPPools, Name: name} }

func contains(text, part string) bool { return strings.Contains(text, part) }

func longText(n int) string { return strings.Repeat("x", n) }

func (w *world) key(obj api.Object) api.Key { return api.KeyOf(obj) }

func (w *world) delete(key api.Key) {
	w.t.Helper()
	if err := w.store.Delete(w.t.Context(), key, 0); err != nil {
		w.t.Fatal(err)
	}
}

// edit changes a stored object.
func (w *world) edit(key api.Key, change func(any)) {
	w.t.Helper()
	obj, err := w.store.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	obj = api.Clone(obj)
	change(obj)
	if _, err := w.store.Update(w.t.Context(), obj); err != nil {
		w.t.Fatal(err)
	}
}
