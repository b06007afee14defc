// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

// publishing is a publisher on a store in memory, run by hand.
type publishing struct {
	t *testing.T
	*publisher
	store *memstore.Store
}

func newPublishing(t *testing.T) publishing {
	s := memstore.New()
	return publishing{t, newPublisher(s, slog.New(slog.DiscardHandler)), s}
}

// stored returns the endpoint that the datastore holds, nil if there is none.
func (p publishing) stored(pod string) *v3.WorkloadEndpoint {
	p.t.Helper()
	obj, err := p.store.Peer().Get(p.t.Context(), keyOf(pod))
	if err != nil {
		return nil
	}
	return obj.(*v3.WorkloadEndpoint)
}

// all runs one round and says whether all went well.
func (p publishing) all() bool { return !p.round(p.t.Context()) }

// of returns the endpoint of a pod in a container.
func of(pod, container string) *v3.WorkloadEndpoint {
	e := endpoint(pod, "10.0.0.1/32")
	e.TypeMeta = v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "WorkloadEndpoint"}
	e.Spec.ContainerID = container
	return e
}

func TestACorrectedEndpointStaysTheSameObject(t *testing.T) {
	p := newPublishing(t)
	p.put(keyOf("a"), of("a", "c1"))
	p.all()
	before := p.stored("a")
	p.put(keyOf("a"), of("a", "c1"))
	p.all()
	if same := p.stored("a"); same.ResourceVersion != before.ResourceVersion {
		t.Error("an endpoint that was right was written again")
	}
	p.put(keyOf("a"), of("a", "c2"))
	p.all()
	after := p.stored("a")
	if after.Spec.ContainerID != "c2" || after.UID != before.UID || after.CreationTimestamp != before.CreationTimestamp {
		t.Errorf("corrected to %v, want the object of before with another container", after.ObjectMeta)
	}
}

func TestWishesWaitOutADatastoreThatIsAway(t *testing.T) {
	p := newPublishing(t)
	p.put(keyOf("old"), of("old", "c0"))
	p.all()
	p.store.Disconnect(store.ErrUnavailable)
	p.put(keyOf("a"), of("a", "c1"))
	done := 0
	p.remove(keyOf("old"), "c0", func(int64) { done++ })
	if p.all() || done != 0 || len(p.problems()) != 2 {
		t.Fatalf("without a datastore: done %d, problems %v", done, p.problems())
	}
	p.store.Reconnect()
	if !p.all() || done != 1 || p.stored("a") == nil || p.stored("old") != nil || len(p.problems()) != 0 {
		t.Errorf("with the datastore back: done %d, a %v, old %v, problems %v", done, p.stored("a"), p.stored("old"), p.problems())
	}
}

func TestTheLatestWishWinsAndNoneIsForgotten(t *testing.T) {
	p := newPublishing(t)
	p.put(keyOf("a"), of("a", "c1"))
	p.all()
	p.store.Disconnect(store.ErrUnavailable)
	var first, second int64 = -1, -1
	p.remove(keyOf("a"), "c1", func(deleted int64) { first = deleted })
	p.all() // fails
	p.put(keyOf("a"), of("a", "c2"))
	p.store.Reconnect()
	if !p.all() || p.stored("a").Spec.ContainerID != "c2" || first != 0 {
		t.Fatalf("the successor: stored %v, deletion of the first answered %d, want 0 (replaced)", p.stored("a"), first)
	}
	p.store.Disconnect(store.ErrUnavailable)
	p.put(keyOf("a"), of("a", "c3"))
	p.remove(keyOf("a"), "c3", func(deleted int64) { second = deleted })
	p.store.Reconnect()
	if p.all(); p.stored("a") != nil || second <= 0 {
		t.Errorf("c2's object outlived the removal of its successor c3: %v, answered %d", p.stored("a"), second)
	}
}

// TestManyAtOnce publishes endpoints together, also where one of them cannot be new, and takes them back, also where one was changed meanwhile.
func TestManyAtOnce(t *testing.T) {
	p := newPublishing(t)
	if _, err := p.store.Create(t.Context(), of("b", "old")); err != nil {
		t.Fatal(err)
	}
	for _, pods := range [][]string{{"a", "b", "c"}, {"d", "e"}} {
		for _, pod := range pods {
			p.put(keyOf(pod), of(pod, "c1"))
		}
		if !p.all() {
			t.Fatal("not all were published")
		}
	}
	changed := p.stored("d")
	changed.Labels = map[string]string{"by": "hand"}
	if _, err := p.store.Peer().Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	for _, pod := range []string{"a", "b", "c", "d", "e"} {
		stored, deleted := p.stored(pod), int64(0)
		if stored == nil || stored.Spec.ContainerID != "c1" {
			t.Fatalf("%s: stored %v", pod, stored)
		}
		p.remove(keyOf(pod), "c1", func(revision int64) { deleted = revision })
		if revision, err := store.RevisionOf(stored); !p.all() || p.stored(pod) != nil || err != nil || deleted != revision {
			t.Errorf("%s: left %v, deletion answered %d, want %d", pod, p.stored(pod), deleted, revision)
		}
	}
}

func TestASuccessorOfSomebodyElseStays(t *testing.T) {
	p := newPublishing(t)
	if _, err := p.store.Create(t.Context(), of("a", "foreign")); err != nil {
		t.Fatal(err)
	}
	done := false
	p.remove(keyOf("a"), "c1", func(int64) { done = true })
	if p.all(); !done || p.stored("a") == nil {
		t.Errorf("done %v, stored %v; want the foreign object untouched", done, p.stored("a"))
	}
}

func TestPublishedEndpointsArePutBack(t *testing.T) {
	p := newPublishing(t)
	p.put(keyOf("a"), of("a", "c1"))
	p.all()
	first := p.live[keyOf("a")].revision
	p.echo(store.Event{Key: keyOf("a"), Object: p.stored("a"), Revision: first})
	if len(p.pending) != 0 {
		t.Error("the echo of our own write made work")
	}
	if err := p.store.Peer().Delete(t.Context(), keyOf("a"), 0); err != nil {
		t.Fatal(err)
	}
	p.echo(store.Event{Key: keyOf("a"), Revision: first + 1})
	if p.all(); p.stored("a") == nil {
		t.Fatal("a deleted endpoint was not put back")
	}
	p.remove(keyOf("a"), "c1", func(int64) {})
	p.all()
	p.echo(store.Event{Key: keyOf("a"), Revision: 1000})
	if p.all(); p.stored("a") != nil {
		t.Error("a removed endpoint came back")
	}
}

func TestSweepLeavesKeysInUseAlone(t *testing.T) {
	p := newPublishing(t)
	for _, pod := range []string{"a", "b"} {
		if _, err := p.store.Create(t.Context(), of(pod, "old")); err != nil {
			t.Fatal(err)
		}
	}
	p.put(keyOf("a"), of("a", "new"))
	p.sweep(keyOf("a"), "old")
	p.sweep(keyOf("b"), "old")
	if p.all(); p.stored("a") == nil || p.stored("a").Spec.ContainerID != "new" || p.stored("b") != nil {
		t.Errorf("a %v, b %v", p.stored("a"), p.stored("b"))
	}
}

func TestThePublisherTriesAgainByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPublishing(t)
		p.store.Disconnect(store.ErrUnavailable)
		p.put(keyOf("a"), of("a", "c1"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answered := make(chan struct{})
		go p.run(ctx)
		synctest.Wait()
		p.store.Reconnect()
		p.remove(api.Key{Resource: api.WorkloadEndpoints, Namespace: "ns", Name: "other"}, "c9", func(int64) { close(answered) })
		<-answered
		synctest.Wait()
		if p.stored("a") == nil {
			t.Error("not published after the datastore came back")
		}
	})
}
