// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

func counter(name string) *v3.IPPool {
	return &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name, Annotations: map[string]string{"n": "0"}}}
}

func count(obj api.Object) int {
	n, err := strconv.Atoi(obj.GetAnnotations()["n"])
	if err != nil {
		return -1
	}
	return n
}

// increment adds one to a counter by compare-and-swap. All increments of a number look alike, whoever makes them, as IPAM's may.
func increment(ctx context.Context, s store.Store, name string) error {
	for {
		obj, err := s.Get(ctx, api.KeyOf(counter(name)))
		if err != nil {
			return err
		}
		next := api.Clone(obj)
		next.SetAnnotations(map[string]string{"n": strconv.Itoa(count(obj) + 1)})
		if _, err = s.Update(ctx, next); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// load is traffic during a fault: writers who increment one shared counter and create objects, and a watch that follows.
type load struct {
	t       *testing.T
	s       *Store
	stop    chan struct{}
	writers sync.WaitGroup
	done    atomic.Int64 // increments that were reported as made
	created sync.Map     // name -> uid, as reported
	seen    *follower
}

func startLoad(t *testing.T, s *Store, writers int) *load {
	t.Helper()
	if _, err := s.Create(t.Context(), counter("shared")); err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, s: s, stop: make(chan struct{}), seen: follow(t, s)}
	for i := range writers {
		l.writers.Go(func() { l.write(i) })
	}
	return l
}

func (l *load) write(id int) {
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		obj, err := l.both(ctx, counter(fmt.Sprintf("w%d-%d", id, i)), i%2 == 0)
		cancel()
		if err != nil {
			l.t.Errorf("increment, and make an object of which nobody else knows: %v", err)
			return
		}
		l.done.Add(1)
		l.created.Store(obj.GetName(), obj.GetUID())
	}
}

// both increments the shared counter and makes an object: one after the other, or as one.
func (l *load) both(ctx context.Context, obj api.Object, asOne bool) (api.Object, error) {
	if !asOne {
		if err := increment(ctx, l.s, "shared"); err != nil {
			return nil, err
		}
		return l.s.Create(ctx, obj)
	}
	for {
		shared, err := l.s.Get(ctx, api.KeyOf(counter("shared")))
		if err != nil {
			return nil, err
		}
		next := api.Clone(shared)
		next.SetAnnotations(map[string]string{"n": strconv.Itoa(count(shared) + 1)})
		made, err := l.s.Transact(ctx, obj, next)
		if err == nil {
			return made[0], nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
	}
}

// progress waits until n more increments were made.
func (l *load) progress(n int64) {
	l.t.Helper()
	goal := l.done.Load() + n
	eventually(l.t, fmt.Sprint(n, " more increments"), func() bool { return l.done.Load() >= goal })
}

// finish stops the writers and compares what they were told with what is stored, and that with what the watch told.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.writers.Wait()
	obj, err := l.s.Get(l.t.Context(), api.KeyOf(counter("shared")))
	if err != nil {
		l.t.Fatal(err)
	}
	if got, want := int64(count(obj)), l.done.Load(); got != want {
		l.t.Errorf("%d increments are stored, %d were reported as made", got, want)
	}
	list, err := l.s.List(l.t.Context(), api.IPPools, "")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, obj := range list.Items {
		if uid, ok := l.created.LoadAndDelete(obj.GetName()); obj.GetName() != "shared" && (!ok || uid != obj.GetUID()) {
			l.t.Errorf("%s is stored with uid %s, its writer was told %v", obj.GetName(), obj.GetUID(), uid)
		}
	}
	l.created.Range(func(name, _ any) bool { l.t.Errorf("%s was reported as created and is not stored", name); return true })
	l.seen.wantList(list)
}

// follower keeps what a watch tells, and whether it ever went back in time.
type follower struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[api.Key]int64
	last    store.Batch
}

func follow(t *testing.T, s store.Store) *follower {
	t.Helper()
	w, err := s.Watch(context.WithoutCancel(t.Context()), api.IPPools)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, objects: map[api.Key]int64{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			b, err := w.Next(context.Background())
			if err != nil {
				return
			}
			f.take(b)
		}
	})
	t.Cleanup(func() { w.Close(); wg.Wait() })
	return f
}

func (f *follower) take(b store.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range b.Events {
		if e.Revision <= f.objects[e.Key] {
			f.t.Errorf("%s at %d after %d", e.Key, e.Revision, f.objects[e.Key])
		}
		if f.objects[e.Key] = e.Revision; e.Object == nil {
			delete(f.objects, e.Key)
		}
	}
	f.last = b
}

func (f *follower) state() (last store.Batch, objects int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, len(f.objects)
}

// wantList waits until the watch has told exactly what a listing shows.
func (f *follower) wantList(list store.List) {
	f.t.Helper()
	eventually(f.t, "the watch to tell what is listed", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, obj := range list.Items {
			if rev, _ := store.RevisionOf(obj); f.objects[api.KeyOf(obj)] != rev {
				return false
			}
		}
		return len(f.objects) == len(list.Items) && f.last.InSync
	})
}

// eventually polls until ok, which must not take long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// client opens a store that is closed at the end of the test.
func client(t *testing.T, endpoints ...string) *Store {
	t.Helper()
	s := open(t, Config{Endpoints: endpoints})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
