// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package memstore keeps objects in memory: New makes an empty store, Peer another client of the same data.
//
// It behaves as the other backends do, revisions, compare-and-swap and watches included, and passes the same suite. Nothing survives the
// process. Tests can take a client's connection away (Disconnect, Reconnect) and store garbage (Inject).
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/feed"
	"github.com/weftnet/weft/store/internal/record"
)

// Store is one client of in-memory data.
type Store struct {
	data *data

	// Guarded by data.mu.
	down     error // why the client has no connection, nil if it has
	closed   bool
	watchers map[*feed.Feed]*watch
}

// data is shared by the clients.
type data struct {
	mu       sync.Mutex
	revision int64
	entries  map[api.Key]entry
	clients  map[*Store]bool
}

// entry is one stored value, decoded once: the object or why it cannot be read.
type entry struct {
	value    []byte
	revision int64
	object   api.Object
	err      error
}

var _ store.Transactor = (*Store)(nil)

// New returns a client of new, empty data.
func New() *Store {
	return (&data{revision: 1, entries: map[api.Key]entry{}, clients: map[*Store]bool{}}).client()
}

// Peer returns another client of the same data, with a connection and watches of its own.
func (s *Store) Peer() *Store { return s.data.client() }

func (d *data) client() *Store {
	s := &Store{data: d, watchers: map[*feed.Feed]*watch{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients[s] = true
	return s
}

// Get returns one object.
func (s *Store) Get(ctx context.Context, key api.Key) (api.Object, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, &store.KeyError{Op: "get", Key: key, Err: err}
	}
	defer unlock()
	e, ok := s.data.entries[key]
	switch {
	case !ok:
		return nil, &store.KeyError{Op: "get", Key: key, Err: store.ErrNotFound}
	case e.err != nil:
		return nil, &store.KeyError{Op: "get", Key: key, Err: e.err}
	}
	return e.object, nil
}

// List returns the objects of a resource in key order.
func (s *Store) List(ctx context.Context, resource api.Resource, namespace string) (store.List, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return store.List{}, fmt.Errorf("list %s: %w", resource, err)
	}
	defer unlock()
	if resource.Kind() == nil {
		return store.List{}, fmt.Errorf("list %q: no resource that weft stores", resource)
	}
	list := store.List{Revision: s.data.revision}
	for _, key := range s.data.keys(resource, namespace) {
		if e := s.data.entries[key]; e.err != nil {
			list.Invalid = append(list.Invalid, store.Invalid{Key: key, Revision: e.revision, Err: e.err})
		} else {
			list.Items = append(list.Items, e.object)
		}
	}
	return list, nil
}

// Close ends the client's watches. The data stays as long as there are other clients.
func (s *Store) Close() error {
	s.data.mu.Lock()
	s.closed = true
	delete(s.data.clients, s)
	feeds := slices.Collect(maps.Keys(s.watchers))
	s.data.mu.Unlock()
	for _, f := range feeds {
		f.Finish(store.ErrClosed)
	}
	return nil
}

// begin locks the data for one call, unless the client is closed or without a connection.
func (s *Store) begin(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.data.mu.Lock()
	switch {
	case s.closed:
		err = store.ErrClosed
	case s.down != nil:
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, s.down)
	default:
		return s.data.mu.Unlock, nil
	}
	s.data.mu.Unlock()
	return nil, err
}

// keys returns the keys of a resource in order; namespace "" means all.
func (d *data) keys(resource api.Resource, namespace string) []api.Key {
	var keys []api.Key
	for key := range d.entries {
		if key.Resource == resource && (namespace == "" || key.Namespace == namespace) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b api.Key) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return keys
}

// put stores a value as a new revision and tells the watches. The object is decoded anew, so it shares nothing with the caller's.
func (d *data) put(key api.Key, value []byte) entry {
	d.revision++
	e := entry{value: value, revision: d.revision}
	e.object, e.err = record.Decode(key, value, d.revision)
	d.entries[key] = e
	d.publish(e.event(key))
	return e
}

func (d *data) remove(key api.Key) {
	d.revision++
	delete(d.entries, key)
	d.publish(store.Event{Key: key, Revision: d.revision})
}

func (e entry) event(key api.Key) store.Event {
	return store.Event{Key: key, Object: e.object, Err: e.err, Revision: e.revision}
}
