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

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// mirror follows a watch and keeps what it was told, checking the rules of batches.
type mirror struct {
	t       *testing.T
	f       *fixture
	w       store.Watcher
	objects map[api.Key]api.Object
	invalid map[api.Key]error
	seen    map[api.Key]int64
	last    store.Batch
	events  []store.Event // of all batches since the last clearing
}

func (f *fixture) watch(t *testing.T, resources ...api.Resource) *mirror {
	t.Helper()
	return f.watchWith(t, f.store, resources...)
}

func (f *fixture) watchWith(t *testing.T, s store.Store, resources ...api.Resource) *mirror {
	t.Helper()
	w, err := s.Watch(f.ctx, resources...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &mirror{t: t, f: f, w: w, objects: map[api.Key]api.Object{}, invalid: map[api.Key]error{}, seen: map[api.Key]int64{}}
}

// until takes batches until ok holds.
func (m *mirror) until(ok func() bool) {
	m.t.Helper()
	for !ok() {
		batch, err := m.w.Next(m.f.ctx)
		if err != nil {
			m.t.Fatalf("%v; last batch: in sync %v at %d (%v), with %d objects known", err, m.last.InSync, m.last.Revision, m.last.Err, len(m.objects))
		}
		m.apply(batch)
	}
}

// sync takes batches until the watch is in sync.
func (m *mirror) sync() {
	m.t.Helper()
	m.until(func() bool { return m.last.InSync })
}

func (m *mirror) apply(b store.Batch) {
	m.t.Helper()
	if b.Revision < m.last.Revision {
		m.t.Errorf("batch of revision %d after %d", b.Revision, m.last.Revision)
	}
	if b.InSync && b.Err != nil {
		m.t.Errorf("in sync, and yet %v", b.Err)
	}
	var before int64
	for _, e := range b.Events {
		if e.Revision < before || e.Revision <= m.seen[e.Key] {
			m.t.Errorf("event of %s at %d follows one at %d, and one of its own at %d", e.Key, e.Revision, before, m.seen[e.Key])
		}
		before, m.seen[e.Key] = e.Revision, e.Revision
		m.take(e)
	}
	m.last = b
	m.events = append(m.events, b.Events...)
}

func (m *mirror) take(e store.Event) {
	switch {
	case e.Err != nil && e.Object != nil:
		m.t.Errorf("%s: an object and an error (%v)", e.Key, e.Err)
	case e.Err != nil:
		m.invalid[e.Key] = e.Err
		return
	case e.Object == nil:
		delete(m.objects, e.Key)
	default:
		if rev := revision(m.t, e.Object); rev != e.Revision || api.KeyOf(e.Object) != e.Key {
			m.t.Errorf("event of %s at %d carries %s at %d", e.Key, e.Revision, api.KeyOf(e.Object), rev)
		}
		m.objects[e.Key] = e.Object
	}
	delete(m.invalid, e.Key)
}

// want checks that the watch has told of these objects and no others.
func (m *mirror) want(objects ...api.Object) {
	m.t.Helper()
	for _, obj := range objects {
		if got := m.objects[api.KeyOf(obj)]; got == nil || !same(got, obj) {
			m.t.Errorf("the watch has %s, want %s", text(got), text(obj))
		}
	}
	if len(m.objects) != len(objects) {
		m.t.Errorf("the watch has %d objects, want %d", len(m.objects), len(objects))
	}
}

func testWatchSnapshotThenChanges(t *testing.T, f *fixture) {
	a := f.create(t, pool("a"))
	web := f.create(t, policy("prod", "web"))
	f.create(t, &v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "not-asked-for"}})
	gone := f.create(t, pool("gone"))
	f.delete(t, api.KeyOf(gone))

	w := f.watch(t, api.NetworkPolicies, api.IPPools)
	w.sync()
	w.want(a, web)
	if list := f.list(t, api.IPPools, ""); w.last.Revision > list.Revision || !f.Apart && w.last.Revision != list.Revision {
		t.Errorf("the snapshot is of revision %d, a list of %d", w.last.Revision, list.Revision)
	}
	a = f.update(t, note(a, "two"))
	db := f.create(t, policy("prod", "db"))
	f.create(t, &v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "nor-this"}})
	f.delete(t, api.KeyOf(web))
	w.until(func() bool { return w.objects[api.KeyOf(web)] == nil })
	w.want(a, db)
	if !w.last.InSync || !f.Apart && w.last.Revision < revision(t, db) {
		t.Errorf("in sync %v at %d", w.last.InSync, w.last.Revision)
	}
}

func testWatchOrder(t *testing.T, f *fixture) {
	w := f.watch(t, api.IPPools, api.NetworkPolicies)
	w.sync()
	// Each change is taken before the next is made, so none coalesce.
	for i := range 20 {
		p := f.create(t, note(pool("a"), fmt.Sprint(i)))
		w.until(func() bool { return w.objects[api.KeyOf(p)] != nil })
		n := f.create(t, policy("x", fmt.Sprint(i)))
		w.until(func() bool { return w.objects[api.KeyOf(n)] != nil })
		f.delete(t, api.KeyOf(p))
		w.until(func() bool { return w.objects[api.KeyOf(p)] == nil })
	}
	if len(w.events) != 60 {
		t.Errorf("%d events, want 60", len(w.events))
	}
	for i := 1; i < len(w.events); i++ {
		if w.events[i].Revision <= w.events[i-1].Revision {
			t.Errorf("revision %d after %d", w.events[i].Revision, w.events[i-1].Revision)
		}
	}
}

func testWatchCoalesces(t *testing.T, f *fixture) {
	keep := f.create(t, pool("keep"))
	slow, fast := f.watch(t, api.IPPools), f.watch(t, api.IPPools)
	slow.sync()
	fast.sync()
	const changes, keys = 300, 5
	for i := range changes {
		name := fmt.Sprint("k-", i%keys)
		if i < keys {
			f.create(t, pool(name))
		} else {
			f.update(t, note(pool(name), fmt.Sprint(i)))
		}
		temporary := f.create(t, pool(fmt.Sprint("tmp-", i)))
		f.delete(t, api.KeyOf(temporary))
	}
	f.delete(t, api.KeyOf(keep))
	last := f.create(t, pool("last"))
	done := func(m *mirror) func() bool { return func() bool { return m.objects[api.KeyOf(last)] != nil } }
	fast.until(done(fast))
	slow.events = nil
	slow.until(done(slow))
	slow.want(slices.Collect(maps.Values(fast.objects))...)
	if len(slow.objects) != keys+1 {
		t.Errorf("the watches have %d objects, want %d", len(slow.objects), keys+1)
	}
	// Normally it is one event a key; a few more if the last changes were still on their way.
	if len(slow.events) > changes/10 {
		t.Errorf("the slow watch got %d events for %d keys", len(slow.events), keys)
	}
}

func testWatchEnds(t *testing.T, f *fixture) {
	w := f.watch(t, api.IPPools)
	w.sync()
	short, cancel := context.WithCancel(f.ctx)
	cancel()
	if _, err := w.w.Next(short); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with an ended context: %v", err)
	}
	f.create(t, pool("a"))
	w.until(func() bool { return len(w.objects) == 1 }) // and it goes on afterwards

	w.w.Close()
	w.w.Close()
	if _, err := w.w.Next(f.ctx); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	other, err := f.store.Watch(ctx, api.IPPools)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = other.Next(f.ctx)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Next after the end of the watch's context: %v", err)
	}
}
