// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest is the conformance suite of all stores: a backend's test calls Run with a function that makes one.
package storetest

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// Backend is an empty datastore under test.
type Backend struct {
	// Open returns a new client of the datastore. The suite closes it.
	Open func(t *testing.T) store.Store
	// Inject stores a value as it is under a key as it is, both maybe garbage.
	Inject func(t *testing.T, key api.Key, value []byte)
	// Cut takes the connection of a client from Open away until the returned function is called.
	Cut func(t *testing.T, client store.Store) (mend func())
	// Compact makes the datastore forget superseded revisions; nil if it keeps none.
	Compact func(t *testing.T)
	// Garbage returns values that are no valid object, by their keys; nil: those of a datastore that takes everything.
	Garbage func() map[api.Key][]byte
	// Apart says that each resource has a stream of its own, without order among them, and that events come one by one, as in Kubernetes. Then a
	// batch is not as of one revision of all resources.
	Apart bool
	// Patience bounds the waits of a test. Default one minute.
	Patience time.Duration
}

// patience bounds the waits of a test unless Backend.Patience does. It is never waited out when all is well.
const patience = time.Minute

// Run checks that the backends which fresh makes, one for each test, keep the contract of [store.Store].
func Run(t *testing.T, fresh func(t *testing.T) Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"CreateAndGet", testCreateAndGet},
		{"EveryKind", testEveryKind},
		{"Missing", testMissing},
		{"Update", testUpdate},
		{"UpdateWithoutRevision", testUpdateWithoutRevision},
		{"Delete", testDelete},
		{"Transact", testTransact},
		{"TransactIsOne", testTransactIsOne},
		{"BadKeys", testBadKeys},
		{"BigObject", testBigObject},
		{"ListOrderAndNamespaces", testListOrderAndNamespaces},
		{"ListIsOneRevision", testListIsOneRevision},
		{"NoLostUpdate", testNoLostUpdate},
		{"OneCreateWins", testOneCreateWins},
		{"Garbage", testGarbage},
		{"GarbageInWatch", testGarbageInWatch},
		{"WatchSnapshotThenChanges", testWatchSnapshotThenChanges},
		{"WatchOrder", testWatchOrder},
		{"WatchIsOneRevision", testWatchIsOneRevision},
		{"WatchCoalesces", testWatchCoalesces},
		{"WatchEnds", testWatchEnds},
		{"WatchResumes", testWatchResumes},
		{"WatchStartsWithoutConnection", testWatchStartsWithoutConnection},
		{"Unavailable", testUnavailable},
		{"Cancelled", testCancelled},
		{"Closed", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{Backend: fresh(t)}
			f.store = f.client(t)
			var stop context.CancelFunc
			f.ctx, stop = context.WithTimeout(t.Context(), cmp.Or(f.Patience, patience))
			defer stop()
			test.run(t, f)
		})
	}
}

// fixture is what a test works with.
type fixture struct {
	Backend
	store store.Store // a client
	ctx   context.Context
}

// client opens another client, closed at the end of the test.
func (f *fixture) client(t *testing.T) store.Store {
	t.Helper()
	s := f.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func (f *fixture) create(t *testing.T, obj api.Object) api.Object {
	t.Helper()
	out, err := f.store.Create(f.ctx, obj)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) update(t *testing.T, obj api.Object) api.Object {
	t.Helper()
	out, err := f.store.Update(f.ctx, obj)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) get(t *testing.T, key api.Key) api.Object {
	t.Helper()
	out, err := f.store.Get(f.ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) delete(t *testing.T, key api.Key) {
	t.Helper()
	if err := f.store.Delete(f.ctx, key, 0); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) list(t *testing.T, resource api.Resource, namespace string) store.List {
	t.Helper()
	out, err := f.store.List(f.ctx, resource, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func revision(t *testing.T, obj api.Object) int64 {
	t.Helper()
	rev, err := store.RevisionOf(obj)
	if err != nil || rev == 0 {
		t.Fatalf("%s: resourceVersion %q: %v", api.KeyOf(obj), obj.GetResourceVersion(), err)
	}
	return rev
}

// pool is a cluster-scoped object, policy a namespaced one.
func pool(name string) *v3.IPPool {
	return &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/16"}}
}

func policy(namespace, name string) *v3.NetworkPolicy {
	return &v3.NetworkPolicy{ObjectMeta: v3.ObjectMeta{Namespace: namespace, Name: name}}
}

// note returns a copy of obj with an annotation set.
func note[T api.Object](obj T, text string) T {
	out := api.Clone(obj)
	out.SetAnnotations(map[string]string{"note": text})
	return out
}

func noteOf(obj api.Object) string { return obj.GetAnnotations()["note"] }
