// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package election lets one of several processes act: [Run], with what the one does that leads.
//
// They share a Lease, which the leader renews by compare-and-swap. Clocks of different machines are not compared: a follower takes a lease over that it
// has seen unchanged for as long as the lease lasts, by its own clock. The leader stops when it could not renew for two thirds of that, counted from before
// the last write that succeeded, so the last third is for stopping, and no two lead at a time.
package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// DefaultDuration is how long a lease lasts that nobody renews.
const DefaultDuration = 15 * time.Second

// Config says what is competed for.
type Config struct {
	// Store that holds the lease. Required.
	Store store.Store
	// Namespace and Name of the Lease. Required.
	Namespace, Name string
	// Identity tells the competitors apart. Required.
	Identity string
	// Duration of the lease, in whole seconds. Default: DefaultDuration.
	Duration time.Duration
	// Log takes who leads. Required.
	Log *slog.Logger
	// Following is told who leads when it is somebody else, "" when nobody is known to. Optional.
	Following func(leader string)
}

// Run competes until ctx ends. Whenever it wins it calls lead with a context that ends when the lease is lost, and competes again after lead has returned. It
// returns lead's error if that ends by itself.
func Run(ctx context.Context, c Config, lead func(context.Context) error) error {
	if c.Duration == 0 {
		c.Duration = DefaultDuration
	}
	e := &competitor{Config: c}
	for ctx.Err() == nil {
		sent := time.Now()
		if won := e.try(ctx); won {
			if err := e.lead(ctx, sent, lead); err != nil {
				return err
			}
			continue
		}
		pause(ctx, c.Duration/6)
	}
	return nil
}

// competitor is one process.
type competitor struct {
	Config
	seen   string // the last version of another's lease
	since  time.Time
	leader string
	failed string
}

func (e *competitor) key() api.Key {
	return api.Key{Resource: api.Leases, Namespace: e.Namespace, Name: e.Name}
}

// try makes the lease ours or renews it, and says whether it is. It takes no longer than a renewal may.
func (e *competitor) try(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, e.Duration/3)
	defer cancel()
	won, err := e.swap(ctx)
	text := ""
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) && !errors.Is(err, context.Canceled) {
		text = err.Error()
	}
	if text != "" && text != e.failed {
		e.Log.Warn("cannot reach the lease", "error", err)
	}
	e.failed = text
	return won && err == nil
}

func (e *competitor) swap(ctx context.Context) (bool, error) {
	obj, err := e.Store.Get(ctx, e.key())
	if errors.Is(err, store.ErrNotFound) {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name}}
		e.fill(lease)
		_, err = e.Store.Create(ctx, lease)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	lease, ok := obj.(*coordinationv1.Lease)
	if !ok {
		return false, fmt.Errorf("%s is no Lease", e.key())
	}
	if !e.mayTake(lease) {
		return false, nil
	}
	next := api.Clone(lease)
	e.fill(next)
	_, err = e.Store.Update(ctx, next)
	return err == nil, err
}

// mayTake says whether a lease is ours, free, or unchanged for as long as it lasts.
func (e *competitor) mayTake(lease *coordinationv1.Lease) bool {
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if holder == e.Identity || holder == "" {
		return true
	}
	if e.seen != lease.ResourceVersion {
		e.seen, e.since = lease.ResourceVersion, time.Now()
	}
	lasts := e.Duration
	if s := lease.Spec.LeaseDurationSeconds; s != nil {
		lasts = max(lasts, time.Duration(*s)*time.Second)
	}
	if time.Since(e.since) >= lasts {
		return true
	}
	e.follow(holder)
	return false
}

// follow notes who leads.
func (e *competitor) follow(leader string) {
	if leader == e.leader {
		return
	}
	e.leader = leader
	if leader != e.Identity {
		e.Log.Info("another leads", "leader", leader)
		if e.Following != nil {
			e.Following(leader)
		}
	}
}

// fill makes a lease ours as of now.
func (e *competitor) fill(lease *coordinationv1.Lease) {
	now := metav1.NowMicro()
	s := &lease.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity != e.Identity {
		turns := int32(1)
		if s.LeaseTransitions != nil {
			turns += *s.LeaseTransitions
		}
		s.LeaseTransitions, s.AcquireTime = &turns, &now
	}
	seconds := int32(e.Duration / time.Second)
	identity := e.Identity
	s.HolderIdentity, s.RenewTime, s.LeaseDurationSeconds = &identity, &now, &seconds
}

// lead runs f while the lease, won by a write that was begun at sent, is renewed. When it returns f has.
func (e *competitor) lead(ctx context.Context, sent time.Time, f func(context.Context) error) error {
	e.follow(e.Identity)
	e.Log.Info("leading")
	within, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- f(within) }()
	kept := make(chan struct{})
	renewing, done := context.WithCancel(ctx)
	go func() {
		defer close(kept)
		e.keep(renewing, sent)
		stop()
	}()
	err := <-ended
	done()
	<-kept
	if ctx.Err() != nil || err != nil {
		e.giveUp()
	}
	e.Log.Info("not leading any more")
	e.leader = ""
	if within.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// keep renews until ctx ends or the lease could not be renewed in time.
func (e *competitor) keep(ctx context.Context, sent time.Time) {
	for {
		if !pause(ctx, e.Duration/6) {
			return
		}
		now := time.Now()
		limit, cancel := context.WithDeadline(ctx, sent.Add(e.Duration*2/3))
		won := e.try(limit)
		cancel()
		switch {
		case won:
			sent = now
		case time.Since(sent) >= e.Duration*2/3:
			return
		}
	}
}

// giveUp frees the lease, if it is ours still, so that nobody waits for it to run out.
func (e *competitor) giveUp() {
	ctx, cancel := context.WithTimeout(context.Background(), e.Duration/3)
	defer cancel()
	obj, err := e.Store.Get(ctx, e.key())
	if err != nil {
		return // it runs out by itself
	}
	lease, ok := obj.(*coordinationv1.Lease)
	if !ok || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != e.Identity {
		return
	}
	free := api.Clone(lease)
	free.Spec.HolderIdentity = nil
	if _, err := e.Store.Update(ctx, free); err != nil {
		e.Log.Info("the lease was not given up; it runs out", "error", err)
	}
}

// pause waits and says whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
