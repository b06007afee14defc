// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/feed"
)

// watch is what a client keeps of one of its watches.
type watch struct {
	wanted map[api.Resource]bool
	stop   func() bool // of waiting for the end of the watch's context
}

// Watch streams the objects of the given resources.
func (s *Store) Watch(ctx context.Context, resources ...api.Resource) (store.Watcher, error) {
	if len(resources) == 0 {
		return nil, errors.New("watch: no resource is named")
	}
	wanted := map[api.Resource]bool{}
	for _, r := range resources {
		if r.Kind() == nil {
			return nil, fmt.Errorf("watch %q: no resource that weft stores", r)
		}
		wanted[r] = true
	}
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("watch: %w", store.ErrClosed)
	}
	var f *feed.Feed
	f = feed.New(func() { s.forget(f) })
	s.watchers[f] = &watch{wanted: wanted, stop: context.AfterFunc(ctx, func() { f.Finish(ctx.Err()) })}
	if s.down != nil {
		f.Fail(fmt.Errorf("%w: %w", store.ErrUnavailable, s.down))
	} else {
		s.data.snapshot(f, wanted)
	}
	return f, nil
}

// forget drops a watch that has ended.
func (s *Store) forget(f *feed.Feed) {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	if w, ok := s.watchers[f]; ok {
		w.stop()
		delete(s.watchers, f)
	}
}

// Disconnect takes the connection of this client away: calls return ErrUnavailable with err as the reason, and watches say so.
func (s *Store) Disconnect(err error) {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	s.down = err
	for f := range s.watchers {
		f.Fail(fmt.Errorf("%w: %w", store.ErrUnavailable, err))
	}
}

// Reconnect undoes Disconnect: watches deliver what they missed.
func (s *Store) Reconnect() {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	s.down = nil
	for f, w := range s.watchers {
		s.data.snapshot(f, w.wanted)
	}
}

// Inject stores a value as it is under a key as it is, for tests of what happens with garbage. A nil value deletes the key.
func (s *Store) Inject(key api.Key, value []byte) {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	if value == nil {
		s.data.remove(key)
		return
	}
	s.data.put(key, value)
}

// snapshot brings a watch up to date. Called with the data locked.
func (d *data) snapshot(f *feed.Feed, wanted map[api.Resource]bool) {
	var events []store.Event
	for key, e := range d.entries {
		if wanted[key.Resource] {
			events = append(events, e.event(key))
		}
	}
	f.Begin()
	f.Apply(events, 0)
	f.End(d.revision)
}

// publish tells all watches of all connected clients of a change. Called with the data locked.
func (d *data) publish(event store.Event) {
	for client := range d.clients {
		if client.down != nil {
			continue
		}
		for f, w := range client.watchers {
			if w.wanted[event.Key.Resource] {
				f.Apply([]store.Event{event}, event.Revision)
			}
		}
	}
}
