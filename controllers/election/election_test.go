// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/controllers/election"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

// arena counts who leads at a time.
type arena struct {
	t       *testing.T
	leading atomic.Int32
}

// fighter is one competitor with a connection of its own.
type fighter struct {
	store  *memstore.Store
	leads  atomic.Bool
	cancel context.CancelFunc
	ended  chan error
}

func (a *arena) enter(s *memstore.Store, name string) *fighter {
	ctx, cancel := context.WithCancel(a.t.Context())
	f := &fighter{store: s.Peer(), cancel: cancel, ended: make(chan error, 1)}
	c := election.Config{Store: f.store, Namespace: "kube-system", Name: "weft-controllers", Identity: name, Log: slog.New(slog.DiscardHandler)}
	go func() {
		f.ended <- election.Run(ctx, c, func(ctx context.Context) error {
			if n := a.leading.Add(1); n > 1 {
				a.t.Errorf("%d lead at a time", n)
			}
			f.leads.Store(true)
			<-ctx.Done()
			time.Sleep(election.DefaultDuration/3 - time.Second) // it takes its time to stop
			f.leads.Store(false)
			a.leading.Add(-1)
			return nil
		})
	}()
	return f
}

func (f *fighter) leave(t *testing.T) {
	t.Helper()
	f.cancel()
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
	_ = f.store.Close()
}

func run(t *testing.T, test func(t *testing.T, a *arena, s *memstore.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		test(t, &arena{t: t}, s)
	})
}

// TestOneLeads: the first one leads for as long as it lives; when it goes in peace the next one takes over at once.
func TestOneLeads(t *testing.T) {
	run(t, func(t *testing.T, a *arena, s *memstore.Store) {
		x := a.enter(s, "x")
		synctest.Wait()
		y := a.enter(s, "y")
		time.Sleep(time.Hour)
		if !x.leads.Load() || y.leads.Load() {
			t.Errorf("x leads %v, y %v", x.leads.Load(), y.leads.Load())
		}
		x.leave(t)
		time.Sleep(election.DefaultDuration / 3)
		if !y.leads.Load() {
			t.Error("y does not lead though x left")
		}
		y.leave(t)
	})
}

// TestCutOff: a leader without a datastore has stopped before the next one begins, and follows when it is back.
func TestCutOff(t *testing.T) {
	run(t, func(t *testing.T, a *arena, s *memstore.Store) {
		x := a.enter(s, "x")
		synctest.Wait()
		y := a.enter(s, "y")
		time.Sleep(time.Minute)
		x.store.Disconnect(store.ErrUnavailable)
		time.Sleep(2 * election.DefaultDuration)
		if x.leads.Load() || !y.leads.Load() {
			t.Errorf("cut off: x leads %v, y %v", x.leads.Load(), y.leads.Load())
		}
		x.store.Reconnect()
		time.Sleep(time.Hour)
		if x.leads.Load() || !y.leads.Load() {
			t.Errorf("back: x leads %v, y %v", x.leads.Load(), y.leads.Load())
		}
		x.leave(t)
		y.leave(t)
	})
}

// TestShortOutage: an outage shorter than the lease changes nothing.
func TestShortOutage(t *testing.T) {
	run(t, func(t *testing.T, a *arena, s *memstore.Store) {
		x := a.enter(s, "x")
		time.Sleep(time.Minute)
		x.store.Disconnect(store.ErrUnavailable)
		time.Sleep(election.DefaultDuration / 3)
		x.store.Reconnect()
		time.Sleep(time.Minute)
		if !x.leads.Load() {
			t.Error("x gave up over a short outage")
		}
		x.leave(t)
	})
}

// TestManyWithoutADatastore: nobody leads while nobody can reach the lease, and one does afterwards.
func TestManyWithoutADatastore(t *testing.T) {
	run(t, func(t *testing.T, a *arena, s *memstore.Store) {
		all := []*fighter{a.enter(s, "x"), a.enter(s, "y"), a.enter(s, "z")}
		time.Sleep(time.Minute)
		for _, f := range all {
			f.store.Disconnect(store.ErrUnavailable)
		}
		time.Sleep(time.Minute)
		if n := a.leading.Load(); n != 0 {
			t.Errorf("%d lead without a lease", n)
		}
		for _, f := range all {
			f.store.Reconnect()
		}
		time.Sleep(time.Minute)
		if n := a.leading.Load(); n != 1 {
			t.Errorf("%d lead", n)
		}
		for _, f := range all {
			f.leave(t)
		}
	})
}
