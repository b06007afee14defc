// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package lifetime ends what a store has begun when the store is closed: make a Lifetime with the store, Bound each call by it, and let each watch
// run in it.
package lifetime

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weftnet/weft/store"
)

// Lifetime is that of one store. Its methods may be called from any goroutine.
type Lifetime struct {
	ctx     context.Context
	end     context.CancelFunc
	mu      sync.Mutex // orders starting a watch and closing the store
	watches sync.WaitGroup
}

// New returns one that has begun.
func New() *Lifetime {
	l := &Lifetime{}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// Close ends calls and watches, and waits for the watches.
func (l *Lifetime) Close() {
	l.mu.Lock()
	l.end()
	l.mu.Unlock()
	l.watches.Wait()
}

// Watch runs a watch in the background, and calls stop when the store is closed meanwhile; false if it is closed already.
func (l *Lifetime) Watch(run, stop func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.watches.Go(func() {
		unhook := context.AfterFunc(l.ctx, stop)
		defer unhook()
		run()
	})
	return true
}

// Bound ends a context with the store, and after usual if it has no deadline.
func (l *Lifetime) Bound(ctx context.Context, usual time.Duration) (context.Context, context.CancelFunc) {
	var cancel context.CancelFunc
	if _, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithTimeout(ctx, usual)
	}
	unhook := context.AfterFunc(l.ctx, cancel)
	if l.ctx.Err() != nil {
		cancel() // at once: AfterFunc takes its time
	}
	return ctx, func() { unhook(); cancel() }
}

// Over says whether the store was closed (store.ErrClosed) or the caller has gone away, which outranks what a call met with.
func (l *Lifetime) Over(ctx context.Context) error {
	switch {
	case l.ctx.Err() != nil:
		return store.ErrClosed
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return nil
}

// Pause waits for about d, spread so that the clients of a server that is back do not come at once; false if ctx ended.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
