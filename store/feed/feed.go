// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package feed is the consumer's side of a watch: a backend calls Begin, Apply and End for a snapshot, Apply for changes,
// Fail when it lost its source, and the consumer calls Next.
//
// Between two calls of Next changes coalesce: the consumer gets the latest state of each key, so a slow one costs memory by the number of
// its keys and never holds up the backend. A key that came and went unseen is not mentioned. A second snapshot (Begin ... End) yields the
// difference to what the consumer has, deletions included.
package feed

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// Feed is a [store.Watcher] that a backend fills. One goroutine calls Next at a time; the rest is safe for concurrent use.
type Feed struct {
	wake    chan struct{} // holds a token when there may be something for Next
	onClose func()

	mu       sync.Mutex
	pending  map[api.Key]store.Event // what the consumer has not been told
	known    map[api.Key]entry       // what there is, and what the consumer was told
	round    uint64                  // number of the current or last snapshot
	revision int64
	inSync   bool
	err      error
	changed  bool // inSync or err changed since the last batch
	ended    error
}

// entry is what is known of one key.
type entry struct {
	revision int64
	told     bool   // the consumer was told that there is something
	gone     bool   // deleted; kept until the consumer is told
	round    uint64 // last snapshot that had it
}

var _ store.Watcher = (*Feed)(nil)

// New returns an empty feed that is not in sync. onClose, if not nil, is called once when it ends, however it ends.
func New(onClose func()) *Feed {
	return &Feed{wake: make(chan struct{}, 1), onClose: onClose, pending: map[api.Key]store.Event{}, known: map[api.Key]entry{}}
}

// Begin starts a snapshot. Until End the feed is not in sync, without an error of its own.
func (f *Feed) Begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.round++
	f.inSync = false
}

// End completes a snapshot as of revision: what it lacked is deleted.
func (f *Feed) End(revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, e := range f.known {
		if e.round != f.round && !e.gone {
			f.remove(key, revision)
		}
	}
	f.revision = revision
	f.synced()
}

// Keep deletes, as of revision, what is known of a resource and is not in kept: the end of a snapshot of one resource alone, for sources that
// have a stream for each. Its objects were offered with Apply.
func (f *Feed) Keep(resource api.Resource, kept map[api.Key]bool, revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, e := range f.known {
		if key.Resource == resource && !kept[key] && !e.gone {
			f.remove(key, revision)
		}
	}
}

// Apply offers changes: puts, unreadable values (Err set) and deletions, in the order of their revisions. What is older than
// what is known of a key is ignored. Everything up to revision has then been offered; 0 in a snapshot, where only End can say that.
func (f *Feed) Apply(events []store.Event, revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		return
	}
	for _, event := range events {
		if event.Object == nil && event.Err == nil {
			f.deleted(event)
		} else {
			f.put(event)
		}
	}
	f.revision = max(f.revision, revision)
}

// Resume says that the source is back and nothing was missed.
func (f *Feed) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.synced()
}

// Fail says that the source is lost, and why. The consumer keeps what it has.
func (f *Feed) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inSync || f.err == nil || f.err.Error() != err.Error() {
		f.changed = true
		f.signal()
	}
	f.inSync, f.err = false, err
}

// Finish ends the feed: Next returns err from now on.
func (f *Feed) Finish(err error) {
	f.mu.Lock()
	first := f.ended == nil
	if first {
		f.ended = err
		f.pending, f.known = nil, nil
		f.signal()
	}
	f.mu.Unlock()
	if first && f.onClose != nil {
		f.onClose()
	}
}

// Close ends the feed on behalf of its consumer.
func (f *Feed) Close() { f.Finish(store.ErrClosed) }

// Next returns what is new since the last call, by revision, and waits for it if there is nothing.
func (f *Feed) Next(ctx context.Context) (store.Batch, error) {
	for {
		if batch, ok, err := f.take(); ok || err != nil {
			return batch, err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return store.Batch{}, ctx.Err()
		}
	}
}

func (f *Feed) take() (store.Batch, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		f.signal() // for a next call
		return store.Batch{}, false, f.ended
	}
	if !f.changed && len(f.pending) == 0 {
		return store.Batch{}, false, nil
	}
	batch := store.Batch{Events: make([]store.Event, 0, len(f.pending)), Revision: f.revision, InSync: f.inSync, Err: f.err}
	for key, event := range f.pending {
		batch.Events = append(batch.Events, event)
		f.tell(key)
	}
	slices.SortFunc(batch.Events, byRevision)
	f.pending, f.changed = map[api.Key]store.Event{}, false
	return batch, true, nil
}

func (f *Feed) tell(key api.Key) {
	e := f.known[key]
	if e.gone {
		delete(f.known, key)
		return
	}
	e.told = true
	f.known[key] = e
}

func (f *Feed) put(event store.Event) {
	e, ok := f.known[event.Key]
	if !ok || event.Revision > e.revision {
		f.pending[event.Key] = event
		e.revision, e.gone = event.Revision, false
		f.signal()
	}
	e.round = f.round
	f.known[event.Key] = e
}

func (f *Feed) deleted(event store.Event) {
	if e, ok := f.known[event.Key]; ok && !e.gone && event.Revision > e.revision {
		f.remove(event.Key, event.Revision)
	}
}

// remove notes a deletion. The consumer is told only if it knows the key.
func (f *Feed) remove(key api.Key, revision int64) {
	e := f.known[key]
	if !e.told {
		delete(f.known, key)
		delete(f.pending, key)
		return
	}
	e.gone, e.revision = true, revision
	f.known[key] = e
	f.pending[key] = store.Event{Key: key, Revision: revision}
	f.signal()
}

func (f *Feed) synced() {
	if !f.inSync || f.err != nil {
		f.inSync, f.err, f.changed = true, nil, true
		f.signal()
	}
}

func (f *Feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func byRevision(a, b store.Event) int {
	return cmp.Or(
		cmp.Compare(a.Revision, b.Revision),
		strings.Compare(string(a.Key.Resource), string(b.Key.Resource)),
		strings.Compare(a.Key.Namespace, b.Key.Namespace),
		strings.Compare(a.Key.Name, b.Key.Name),
	)
}
