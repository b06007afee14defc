// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/gate"
	"github.com/weftnet/weft/store/memstore"
	"github.com/weftnet/weft/store/storetest"
)

func information(ready bool, schema string) *v3.ClusterInformation {
	info := &v3.ClusterInformation{ObjectMeta: v3.ObjectMeta{Name: "default", Annotations: map[string]string{store.SchemaAnnotation: schema}}}
	info.Spec.DatastoreReady = &ready
	return info
}

func tier(name string) *v3.Tier { return &v3.Tier{ObjectMeta: v3.ObjectMeta{Name: name}} }

func put(t *testing.T, s store.Store, obj api.Object) {
	t.Helper()
	_, err := s.Update(t.Context(), obj)
	if errors.Is(err, store.ErrNotFound) {
		_, err = s.Create(t.Context(), obj)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenGate: a store behind an open one is like any other.
func TestOpenGate(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		data := memstore.New()
		clients := map[store.Store]*memstore.Store{}
		return storetest.Backend{
			Open: func(*testing.T) store.Store {
				peer := data.Peer()
				s := gate.New(peer)
				clients[s] = peer
				return s
			},
			Inject: func(_ *testing.T, key api.Key, value []byte) { data.Inject(key, value) },
			Cut: func(_ *testing.T, client store.Store) func() {
				clients[client].Disconnect(errors.New("cable pulled"))
				return clients[client].Reconnect
			},
		}
	})
}

// TestLocked: nobody writes and watches stand still, with the reason, until the gate opens; then everything comes that happened meanwhile.
func TestLocked(t *testing.T) {
	for name, tc := range map[string]struct {
		info *v3.ClusterInformation
		says string
	}{
		"locked":   {information(false, "1"), "spec.datastoreReady: false"},
		"newer":    {information(true, "2"), "it has schema 2, of a newer weft"},
		"nonsense": {information(true, "new"), `is "new", which is no number`},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { locked(t, tc.info, tc.says) }) })
	}
}

func locked(t *testing.T, info *v3.ClusterInformation, says string) {
	other := memstore.New()
	s := gate.New(other.Peer())
	defer func() { _ = s.Close() }()
	w, err := s.Watch(t.Context(), api.Tiers)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	next := func() store.Batch {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b, err := w.Next(ctx)
		if err != nil {
			b.Err = err
		}
		return b
	}
	if b := next(); !b.InSync {
		t.Fatalf("%+v", b)
	}
	put(t, s, tier("a"))
	if b := next(); len(b.Events) != 1 {
		t.Fatalf("%+v", b)
	}
	put(t, s, info)
	if b := next(); b.InSync || !errors.Is(b.Err, store.ErrUnavailable) || !strings.Contains(b.Err.Error(), says) || b.Revision == 0 {
		t.Errorf("%+v", b)
	}
	put(t, other, tier("b"))
	if b := next(); !errors.Is(b.Err, context.DeadlineExceeded) {
		t.Errorf("told meanwhile: %+v", b)
	}
	_, create := s.Create(t.Context(), tier("c"))
	_, update := s.Update(t.Context(), tier("a"))
	_, transact := s.(store.Transactor).Transact(t.Context(), tier("d"))
	for op, err := range map[string]error{
		"create": create, "update": update, "transact": transact, "delete": s.Delete(t.Context(), api.KeyOf(tier("a")), 0), "check": gate.Check(t.Context(), s),
	} {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, err := s.Get(t.Context(), api.KeyOf(tier("a"))); err != nil {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.Create(t.Context(), storetest.Sample(api.Leases.Kind())); err != nil {
		t.Errorf("a Lease: %v", err)
	}
	put(t, s, information(true, "1"))
	if b := next(); b.Err != nil || !b.InSync {
		t.Errorf("open again: %+v", b)
	}
	if b := next(); b.Err != nil || len(b.Events) != 1 || b.Events[0].Key.Name != "b" {
		t.Errorf("what happened meanwhile: %+v", b)
	}
	put(t, s, tier("c"))
	if err := gate.Check(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// TestNotKnown: while the datastore is away nobody writes on the chance that it is not locked.
func TestNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := memstore.New()
		put(t, data, information(false, "1"))
		peer := data.Peer()
		peer.Disconnect(errors.New("cable pulled"))
		s := gate.New(peer)
		defer func() { _ = s.Close() }()
		w, err := s.Watch(t.Context(), api.Tiers)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if b, err := w.Next(t.Context()); err != nil || b.Err == nil || !strings.Contains(b.Err.Error(), "cable pulled") {
			t.Errorf("%+v, %v", b, err)
		}
		if _, err := s.Create(t.Context(), tier("a")); err == nil || !strings.Contains(err.Error(), "cable pulled") {
			t.Errorf("create: %v", err)
		}
		peer.Reconnect()
		synctest.Wait()
		if _, err := s.Create(t.Context(), tier("a")); err == nil || !strings.Contains(err.Error(), "datastoreReady") {
			t.Errorf("create: %v", err)
		}
	})
}
