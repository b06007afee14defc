// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/feed"
)

// watch keeps one feed filled from a stream for each resource.
type watch struct {
	store *Store
	feed  *feed.Feed

	mu      sync.Mutex
	streams []*stream
}

// Watch streams the objects of the given resources. It returns at once; an API server that is down shows in the batches.
func (s *Store) Watch(ctx context.Context, resources ...api.Resource) (store.Watcher, error) {
	if len(resources) == 0 {
		return nil, errors.New("watch: no resource is named")
	}
	var streams []*stream
	for _, r := range slices.Compact(slices.Sorted(slices.Values(resources))) {
		f, err := formOf(r)
		if err != nil {
			return nil, fmt.Errorf("watch: %w", err)
		}
		streams = append(streams, &stream{form: f})
	}
	return s.follow(ctx, streams)
}

// follow runs streams into one feed.
func (s *Store) follow(ctx context.Context, streams []*stream) (store.Watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{store: s, feed: feed.New(cancel), streams: streams}
	for _, one := range streams {
		one.watch = w
	}
	run := func() {
		var group sync.WaitGroup
		for _, one := range w.streams {
			group.Go(func() { one.run(ctx) })
		}
		group.Wait()
		w.feed.Finish(ctx.Err())
	}
	if !s.life.Watch(run, w.feed.Close) {
		cancel()
		return nil, fmt.Errorf("watch: %w", store.ErrClosed)
	}
	return w.feed, nil
}

// offer hands events of one stream on, which has then offered everything up to revision.
func (w *watch) offer(s *stream, events []store.Event, revision int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.revision = max(s.revision, revision)
	w.store.servers.learn(events)
	w.feed.Apply(events, w.lowest())
}

// snapshot ends the reading of a whole resource, which has the kept keys as of revision.
func (w *watch) snapshot(s *stream, kept map[api.Key]bool, revision int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.complete, s.revision = true, revision
	w.feed.Keep(s.form.kind.Resource, kept, revision)
}

// report notes how a stream fares: nil when it is connected and has delivered its snapshot.
func (w *watch) report(s *stream, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.connected, s.err = err == nil, err
	connected := true
	for _, one := range w.streams {
		if one.err != nil {
			w.feed.Fail(one.err)
			return
		}
		connected = connected && one.connected
	}
	if connected {
		w.feed.Apply(nil, w.lowest())
		w.feed.Resume()
	}
}

// lowest returns the revision up to which all streams have offered everything; 0 while one has not delivered its snapshot.
// Resources that the cluster does not have do not count.
func (w *watch) lowest() int64 {
	var low int64
	for _, s := range w.streams {
		switch {
		case s.absent:
		case !s.complete:
			return 0
		case low == 0 || s.revision < low:
			low = s.revision
		}
	}
	return low
}

// newest returns the highest revision that any stream has shown.
func (w *watch) newest() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var high int64
	for _, s := range w.streams {
		high = max(high, s.revision)
	}
	return high
}
