// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// watcher stands still while the gate is closed. The watcher behind it gathers what happens meanwhile.
type watcher struct {
	store.Watcher
	gate *gate
	last store.Batch // without events
	held error       // why it stands still, as last told
}

// Watch implements store.Store.
func (g *gate) Watch(ctx context.Context, resources ...api.Resource) (store.Watcher, error) {
	w, err := g.Store.Watch(ctx, resources...)
	if err != nil {
		return nil, err
	}
	return &watcher{Watcher: w, gate: g}, nil
}

// Next implements store.Watcher.
func (w *watcher) Next(ctx context.Context) (store.Batch, error) {
	for {
		s, changed := w.gate.get()
		switch {
		case s.why != nil && (w.held == nil || w.held.Error() != s.why.Error()):
			w.held = s.why
			return store.Batch{Revision: w.last.Revision, Err: s.why}, nil
		case s.why != nil || !s.known && s.away == nil:
			select {
			case <-changed:
			case <-ctx.Done():
				return store.Batch{}, ctx.Err()
			}
		case w.held != nil:
			w.held = nil
			return w.last, nil
		default:
			if b, ok, err := w.next(ctx, changed); ok || err != nil {
				return b, err
			}
		}
	}
}

// next returns a batch of the watcher behind the gate; ok is false when something changed at the gate first.
func (w *watcher) next(ctx context.Context, changed <-chan struct{}) (b store.Batch, ok bool, err error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-inner.Done():
		}
	}()
	b, err = w.Watcher.Next(inner)
	if err != nil {
		if inner.Err() != nil && ctx.Err() == nil {
			err = nil
		}
		return b, false, err
	}
	w.last = store.Batch{Revision: b.Revision, InSync: b.InSync, Err: b.Err}
	return b, true, nil
}
