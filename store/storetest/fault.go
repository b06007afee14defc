// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// garbage maps keys to values that are no valid object.
func (f *fixture) garbage() map[api.Key][]byte {
	if f.Garbage != nil {
		return f.Garbage()
	}
	pools := func(name string) api.Key { return api.Key{Resource: api.IPPools, Name: name} }
	policies := func(namespace, name string) api.Key {
		return api.Key{Resource: api.NetworkPolicies, Namespace: namespace, Name: name}
	}
	valid := []byte(`{"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"namespace":"prod","name":"web"}}`)
	return map[api.Key][]byte{
		pools("text"):            []byte("not JSON at all"),
		pools("empty"):           {},
		pools("binary"):          {0, 255, 254, '{', 1},
		pools("list"):            []byte(`[]`),
		pools("null"):            []byte(`null`),
		pools("cut"):             []byte(`{"apiVersion":"projectcalico.org/v3","kind":"IPPo`),
		pools("no-such-kind"):    []byte(`{"apiVersion":"projectcalico.org/v3","kind":"Widget","metadata":{"name":"no-such-kind"}}`),
		pools("other-kind"):      []byte(`{"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"other-kind"}}`),
		pools("other-name"):      []byte(`{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"another"}}`),
		pools("wrong-type"):      []byte(`{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"wrong-type"},"spec":{"cidr":5}}`),
		pools(""):                valid, // from here on the key is the garbage
		pools("two/parts"):       valid,
		pools("\xff\x00"):        valid,
		policies("", "one-part"): valid,
		policies("a", "b/c"):     valid,
		policies("a", ""):        valid,
		policies("", "/x"):       valid,
	}
}

func testGarbage(t *testing.T, f *fixture) {
	f.create(t, pool("good"))
	f.create(t, policy("prod", "good"))
	bad := f.garbage()
	for key, value := range bad {
		f.Inject(t, key, value)
	}
	listed := map[api.Key]bool{}
	for _, resource := range []api.Resource{api.IPPools, api.NetworkPolicies} {
		list := f.list(t, resource, "")
		if len(list.Items) != 1 || list.Items[0].GetName() != "good" {
			t.Errorf("%s: listed %v beside the garbage", resource, list.Items)
		}
		for _, i := range list.Invalid {
			listed[i.Key] = true
			if i.Err == nil || i.Revision <= 0 || i.Revision > list.Revision {
				t.Errorf("%s: invalid at %d because of %v", i.Key, i.Revision, i.Err)
			}
		}
	}
	for key := range bad {
		if !listed[key] {
			t.Errorf("%q is not listed as invalid", key)
		}
		if _, err := f.store.Get(f.ctx, key); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("get %q: %v", key, err)
		}
	}
	if len(listed) != len(bad) {
		t.Errorf("%d invalid keys are listed, want %d: %v", len(listed), len(bad), slices.Collect(maps.Keys(listed)))
	}
	_, err := f.store.Create(f.ctx, pool("wrong-type"))
	wantError(t, err, store.ErrExists, "wrong-type")
	if mended := f.update(t, pool("wrong-type")); mended.GetUID() == "" || mended.GetCreationTimestamp().Time.IsZero() {
		t.Errorf("an object that replaced garbage has no identity: %+v", mended)
	}
	for key := range bad {
		f.delete(t, key)
	}
	for _, resource := range []api.Resource{api.IPPools, api.NetworkPolicies} {
		if list := f.list(t, resource, ""); len(list.Invalid) != 0 || len(list.Items) != 1 {
			t.Errorf("%s: after deletion %d invalid, %d valid", resource, len(list.Invalid), len(list.Items))
		}
	}
}

func testGarbageInWatch(t *testing.T, f *fixture) {
	good := f.create(t, note(pool("wrong-type"), "the last good one"))
	w := f.watch(t, api.IPPools, api.NetworkPolicies)
	w.sync()
	bad := f.garbage()
	for key, value := range bad {
		f.Inject(t, key, value)
	}
	w.until(func() bool { return len(w.invalid) == len(bad) })
	if w.objects[api.KeyOf(good)] == nil {
		t.Error("garbage was delivered as a deletion")
	}
	snapshot := f.watch(t, api.IPPools, api.NetworkPolicies)
	snapshot.sync()
	if len(snapshot.invalid) != len(bad) {
		t.Errorf("the snapshot names %d invalid keys, want %d", len(snapshot.invalid), len(bad))
	}
	f.update(t, note(pool("wrong-type"), "mended"))
	w.until(func() bool { return noteOf(w.objects[api.KeyOf(good)]) == "mended" })
	for key := range bad {
		f.delete(t, key)
	}
	w.until(func() bool { return len(w.invalid) == 0 && len(w.objects) == 0 })
}

func testWatchResumes(t *testing.T, f *fixture) {
	for _, compact := range []bool{false, true} {
		if compact && f.Compact == nil {
			continue
		}
		name := func(s string) string { return fmt.Sprint(s, "-", compact) }
		client := f.client(t)
		w := f.watchWith(t, client, api.IPPools)
		changed, gone := f.create(t, pool(name("changed"))), f.create(t, pool(name("gone")))
		f.create(t, pool(name("same")))
		w.until(func() bool { return w.last.InSync && w.objects[api.KeyOf(pool(name("same")))] != nil })
		before := len(w.objects)

		mend := f.Cut(t, client)
		w.until(func() bool { return !w.last.InSync })
		if w.last.Err == nil {
			t.Error("a watch without a connection does not say why it is not in sync")
		}
		w.events = nil
		f.update(t, note(changed, "meanwhile"))
		f.delete(t, api.KeyOf(gone))
		added := f.create(t, pool(name("new")))
		replaced := f.create(t, pool(name("short-lived")))
		f.delete(t, api.KeyOf(replaced))
		if compact {
			f.Compact(t)
		}
		mend()
		last := f.create(t, pool(name("last")))
		w.until(func() bool { return w.last.InSync && w.objects[api.KeyOf(last)] != nil })
		if len(w.objects) != before+1 || w.objects[api.KeyOf(added)] == nil || w.objects[api.KeyOf(gone)] != nil || noteOf(w.objects[api.KeyOf(changed)]) != "meanwhile" {
			t.Errorf("after the gap: %v", w.objects)
		}
		most := 4
		if f.Apart {
			most += 2 // what came and went in the gap
		}
		if len(w.events) < 4 || len(w.events) > most {
			t.Errorf("the gap was closed with %d events, want the 3 that differ and the last: %v", len(w.events), w.events)
		}
	}
}

func testWatchStartsWithoutConnection(t *testing.T, f *fixture) {
	client := f.client(t)
	mend := f.Cut(t, client)
	w := f.watchWith(t, client, api.IPPools)
	w.until(func() bool { return w.last.Err != nil })
	if w.last.InSync || !errors.Is(w.last.Err, store.ErrUnavailable) {
		t.Errorf("in sync %v, error %v", w.last.InSync, w.last.Err)
	}
	a := f.create(t, pool("a"))
	mend()
	w.sync()
	if w.objects[api.KeyOf(a)] == nil {
		t.Error("the snapshot lacks the object")
	}
}

func testUnavailable(t *testing.T, f *fixture) {
	client := f.client(t)
	a := f.create(t, pool("a"))
	if _, err := client.Get(f.ctx, api.KeyOf(a)); err != nil {
		t.Fatal(err)
	}
	mend := f.Cut(t, client)
	for op, call := range operations(client, a) {
		ctx, cancel := context.WithTimeout(f.ctx, 150*time.Millisecond)
		if err := call(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s without a connection: %v", op, err)
		}
		cancel()
	}
	mend()
	if got, err := client.Get(f.ctx, api.KeyOf(a)); err != nil || got.GetResourceVersion() != a.GetResourceVersion() {
		t.Errorf("with the connection back: %v, %v", got, err)
	}
}

func testCancelled(t *testing.T, f *fixture) {
	a := f.create(t, pool("a"))
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	for op, call := range operations(f.store, a) {
		if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s with an ended context: %v", op, err)
		}
	}
	if got := f.get(t, api.KeyOf(a)); got.GetResourceVersion() != a.GetResourceVersion() {
		t.Error("a call with an ended context changed the object")
	}
}

func testClosed(t *testing.T, f *fixture) {
	a := f.create(t, pool("a"))
	client := f.client(t)
	w := f.watchWith(t, client, api.IPPools)
	w.sync()
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.w.Next(f.ctx); !errors.Is(err, store.ErrClosed) {
		t.Errorf("the watch of a closed store: %v", err)
	}
	for op, call := range operations(client, a) {
		if err := call(f.ctx); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s on a closed store: %v", op, err)
		}
	}
	if _, err := client.Watch(f.ctx, api.IPPools); !errors.Is(err, store.ErrClosed) {
		t.Errorf("watch on a closed store: %v", err)
	}
	f.get(t, api.KeyOf(a)) // other clients go on
}

// operations returns every call of a store, for an object that exists.
func operations(s store.Store, obj api.Object) map[string]func(context.Context) error {
	key := api.KeyOf(obj)
	blind := note(obj, "blind")
	blind.SetResourceVersion("")
	return map[string]func(context.Context) error{
		"get":               func(ctx context.Context) error { _, err := s.Get(ctx, key); return err },
		"list":              func(ctx context.Context) error { _, err := s.List(ctx, key.Resource, ""); return err },
		"create":            func(ctx context.Context) error { _, err := s.Create(ctx, pool("new")); return err },
		"update":            func(ctx context.Context) error { _, err := s.Update(ctx, note(obj, "changed")); return err },
		"update blindly":    func(ctx context.Context) error { _, err := s.Update(ctx, blind); return err },
		"delete":            func(ctx context.Context) error { return s.Delete(ctx, key, 0) },
		"delete a revision": func(ctx context.Context) error { rev, _ := store.RevisionOf(obj); return s.Delete(ctx, key, rev) },
	}
}
