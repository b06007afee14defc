// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

func key(i int) api.Key { return api.Key{Resource: api.IPPools, Name: fmt.Sprint(i)} }

func put(i int, revision int64) store.Event {
	return store.Event{Key: key(i), Object: &v3.IPPool{}, Revision: revision}
}

func deletion(i int, revision int64) store.Event { return store.Event{Key: key(i), Revision: revision} }

// source is a datastore with a history, the slow way.
type source struct {
	revision int64
	objects  map[api.Key]int64
}

func (s *source) change(r *rand.Rand, keys int) store.Event {
	i := r.IntN(keys)
	s.revision++
	if _, ok := s.objects[key(i)]; ok && r.IntN(2) == 0 {
		delete(s.objects, key(i))
		return deletion(i, s.revision)
	}
	s.objects[key(i)] = s.revision
	return put(i, s.revision)
}

func (s *source) snapshot() []store.Event {
	var events []store.Event
	for k, rev := range s.objects {
		events = append(events, store.Event{Key: k, Object: &v3.IPPool{}, Revision: rev})
	}
	return events
}

// consumer applies batches and checks that nothing is said twice or in the wrong order.
type consumer struct {
	t       *testing.T
	objects map[api.Key]int64
	last    store.Batch
}

func (c *consumer) take(b store.Batch) {
	var before int64
	seen := map[api.Key]bool{}
	for _, e := range b.Events {
		_, known := c.objects[e.Key]
		if e.Revision < before || seen[e.Key] || e.Object == nil && !known || e.Object != nil && e.Revision <= c.objects[e.Key] {
			c.t.Fatalf("event %v in %v; known is %v", e, b.Events, c.objects)
		}
		before, seen[e.Key] = e.Revision, true
		if e.Object == nil {
			delete(c.objects, e.Key)
		} else {
			c.objects[e.Key] = e.Revision
		}
	}
	if b.Revision < c.last.Revision {
		c.t.Fatalf("revision %d after %d", b.Revision, c.last.Revision)
	}
	c.last = b
}

// TestRandomWalk lets a source change, disconnect and come back with a snapshot or a resumption while a consumer looks now and then.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		src := &source{revision: 1, objects: map[api.Key]int64{}}
		f, c := New(nil), &consumer{t: t, objects: map[api.Key]int64{}}
		for range 200 {
			switch r.IntN(12) {
			case 0: // the connection is lost, and all is read again after some changes
				f.Fail(errors.New("lost"))
				for range r.IntN(5) {
					src.change(r, 6)
				}
				f.Begin()
				all := src.snapshot()
				cut := r.IntN(len(all) + 1)
				f.Apply(all[:cut], 0)
				if r.IntN(3) == 0 { // lost again half-way
					f.Fail(errors.New("lost again"))
					f.Begin()
					cut = 0
				}
				if r.IntN(2) == 0 {
					drain(c, f)
				}
				f.Apply(all[cut:], 0)
				f.End(src.revision)
			case 1:
				f.Fail(errors.New("lost for a moment"))
				f.Resume()
			case 2, 3:
				drain(c, f)
			default:
				var events []store.Event
				for range r.IntN(4) {
					events = append(events, src.change(r, 6))
				}
				f.Apply(events, src.revision)
			}
			if len(f.known) > 12 {
				t.Fatalf("seed %d: the feed remembers %d keys of 6", seed, len(f.known))
			}
		}
		f.Begin()
		f.Apply(src.snapshot(), 0)
		f.End(src.revision)
		drain(c, f)
		if !maps.Equal(c.objects, src.objects) || !c.last.InSync || c.last.Revision != src.revision {
			t.Fatalf("seed %d: the consumer has %v at %d (in sync %v), the source %v at %d", seed, c.objects, c.last.Revision, c.last.InSync, src.objects, src.revision)
		}
	}
}

func drain(c *consumer, f *Feed) {
	if b, ok, err := f.take(); ok && err == nil {
		c.take(b)
	}
}

func TestMemoryIsBoundedByKeys(t *testing.T) {
	f := New(nil)
	f.Begin()
	f.Apply([]store.Event{put(0, 1)}, 0)
	f.End(1)
	rev := int64(1)
	for i := range 10_000 { // nobody calls Next
		rev += 2
		f.Apply([]store.Event{put(i, rev), deletion(i, rev+1)}, rev+1)
	}
	if len(f.known) > 1 || len(f.pending) > 1 {
		t.Errorf("the feed keeps %d keys and %d events for keys that came and went unseen", len(f.known), len(f.pending))
	}
}

func TestStatusIsToldOnce(t *testing.T) {
	f := New(nil)
	f.Begin()
	f.End(5)
	want(t, f, store.Batch{Revision: 5, InSync: true})
	for range 3 {
		f.Fail(store.ErrUnavailable)
	}
	want(t, f, store.Batch{Revision: 5, Err: store.ErrUnavailable})
	f.Fail(store.ErrClosed) // another reason is news
	want(t, f, store.Batch{Revision: 5, Err: store.ErrClosed})
	f.Resume()
	f.Resume()
	want(t, f, store.Batch{Revision: 5, InSync: true})
	f.Apply(nil, 9) // progress alone wakes nobody
	if b, ok, err := f.take(); ok || err != nil {
		t.Errorf("take = %v, %v, %v; want nothing", b, ok, err)
	}
}

func want(t *testing.T, f *Feed, want store.Batch) {
	t.Helper()
	b, err := f.Next(t.Context())
	if err != nil || b.Revision != want.Revision || b.InSync != want.InSync || !errors.Is(b.Err, want.Err) || len(b.Events) != 0 {
		t.Fatalf("batch %+v, %v; want %+v", b, err, want)
	}
	if b, ok, err := f.take(); ok || err != nil {
		t.Fatalf("then %+v, %v; want nothing", b, err)
	}
}

func TestNextWaitsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		f := New(func() { closed++ })
		got := make(chan error)
		go func() { _, err := f.Next(t.Context()); got <- err }()
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("Next returned with %v though there is nothing", err)
		default:
		}
		f.Apply([]store.Event{put(1, 1)}, 1)
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		go func() { _, err := f.Next(t.Context()); got <- err }()
		synctest.Wait()
		f.Close()
		f.Close()
		if err := <-got; !errors.Is(err, store.ErrClosed) || closed != 1 {
			t.Fatalf("after Close: %v, onClose was called %d times", err, closed)
		}
		f.Apply([]store.Event{put(2, 2), deletion(1, 3)}, 3) // late events of the backend are harmless
		f.Fail(store.ErrUnavailable)
		f.Begin()
		f.End(4)
		if _, err := f.Next(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Fatal(err)
		}
	})
}
