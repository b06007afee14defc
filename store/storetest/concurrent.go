// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// increment adds one to the number in an object's note, by compare-and-swap. It returns the revision of its write.
func (f *fixture) increment(s store.Store, key api.Key) (int64, error) {
	for {
		obj, err := s.Get(f.ctx, key)
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(noteOf(obj))
		if err != nil {
			return 0, err
		}
		out, err := s.Update(f.ctx, note(obj, strconv.Itoa(n+1)))
		if err == nil {
			return store.RevisionOf(out)
		}
		if !errors.Is(err, store.ErrConflict) {
			return 0, err
		}
	}
}

func testNoLostUpdate(t *testing.T, f *fixture) {
	const clients, writers, rounds = 3, 5, 12
	key := api.KeyOf(f.create(t, note(pool("counter"), "0")))
	var revisions sync.Map
	var wg sync.WaitGroup
	for range clients {
		client := f.client(t)
		for range writers {
			wg.Go(func() {
				for range rounds {
					rev, err := f.increment(client, key)
					if err != nil {
						t.Error(err)
						return
					}
					if _, twice := revisions.LoadOrStore(rev, true); twice {
						t.Errorf("two writes were told revision %d", rev)
					}
				}
			})
		}
	}
	wg.Wait()
	if got, want := noteOf(f.get(t, key)), strconv.Itoa(clients*writers*rounds); got != want {
		t.Errorf("%s increments arrived of %s", got, want)
	}
}

func testOneCreateWins(t *testing.T, f *fixture) {
	const racers = 8
	for round := range 10 {
		name := fmt.Sprint("race-", round)
		var wins atomic.Int32
		var winner sync.Map
		var wg sync.WaitGroup
		for range racers {
			wg.Go(func() {
				obj, err := f.store.Create(f.ctx, pool(name))
				switch {
				case err == nil:
					wins.Add(1)
					winner.Store("uid", obj.GetUID())
				case !errors.Is(err, store.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		uid, _ := winner.Load("uid")
		if got := f.get(t, api.KeyOf(pool(name))); wins.Load() != 1 || got.GetUID() != uid {
			t.Fatalf("%d creations won; stored is uid %s, the winner had %s", wins.Load(), got.GetUID(), uid)
		}
	}
}

// testListIsOneRevision writes to the first and the last object of a long list by turns. A list as of one revision never shows the last
// ahead of the first, nor more than one behind.
func testListIsOneRevision(t *testing.T, f *fixture) {
	const fill, workers = 1100, 16
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < fill; i += workers {
				if _, err := f.store.Create(f.ctx, pool(fmt.Sprintf("m-%04d", i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	first := api.KeyOf(f.create(t, note(pool("a"), "0")))
	last := api.KeyOf(f.create(t, note(pool("z"), "0")))
	stop := f.alternate(t, first, last)
	defer stop()
	for range 8 {
		list := f.list(t, api.IPPools, "")
		if len(list.Items) != fill+2 {
			t.Fatalf("listed %d objects, want %d", len(list.Items), fill+2)
		}
		a, err1 := strconv.Atoi(noteOf(list.Items[0]))
		z, err2 := strconv.Atoi(noteOf(list.Items[fill+1]))
		if err := errors.Join(err1, err2); err != nil || a < z || a > z+1 {
			t.Errorf("the first object is at %d, the last at %d (%v): no such revision ever was", a, z, err)
		}
	}
}

// testWatchIsOneRevision does the same with objects of two resources in one watch, which is in sync as of one revision of both.
func testWatchIsOneRevision(t *testing.T, f *fixture) {
	if f.Apart {
		t.Skip("this backend has a stream for each resource, without order among them")
	}
	first := api.KeyOf(f.create(t, note(policy("prod", "a"), "0")))
	second := api.KeyOf(f.create(t, note(pool("a"), "0")))
	stop := f.alternate(t, first, second)
	defer stop()
	for range 20 {
		w := f.watch(t, api.NetworkPolicies, api.Tiers, api.Nodes, api.BGPPeers, api.NetworkSets, api.HostEndpoints, api.Profiles, api.IPPools)
		for range 5 {
			w.sync()
			a, err1 := strconv.Atoi(noteOf(w.objects[first]))
			z, err2 := strconv.Atoi(noteOf(w.objects[second]))
			if err := errors.Join(err1, err2); err != nil || a < z || a > z+1 {
				t.Errorf("the first object is at %d, the second at %d (%v): no such revision ever was", a, z, err)
			}
			w.last = store.Batch{Revision: w.last.Revision} // wait for the next one
		}
		w.w.Close()
	}
}

// alternate increments two objects by turns until stop is called.
func (f *fixture) alternate(t *testing.T, first, second api.Key) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			for _, key := range []api.Key{first, second} {
				if _, err := f.increment(f.store, key); err != nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
