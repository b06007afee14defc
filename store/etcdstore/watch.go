// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/feed"
	"github.com/weftnet/weft/store/internal/lifetime"
)

// errCompacted ends a stream whose next event the server no longer has.
var errCompacted = errors.New("the datastore has dropped the history this watch had to catch up with; reading everything again")

// watch keeps one feed filled. All its resources share one stream over the range of keys that covers them, so what it delivers is the
// datastore as of one revision, resources together; keys of others in between are skipped.
type watch struct {
	store  *Store
	feed   *feed.Feed
	wanted []api.Resource

	complete bool   // the snapshot was read; revision is where to go on
	revision int64  // everything up to here was offered to the feed
	newest   int64  // the highest revision that a server ever showed
	cluster  uint64 // ID of the cluster that revisions are of, 0 before the first answer
}

// Watch streams the objects of the given resources. The user, if etcd has authentication on, must be allowed to read the whole range of
// keys from the first resource to the last. It returns at once; a datastore that is down shows in the batches.
func (s *Store) Watch(ctx context.Context, resources ...api.Resource) (store.Watcher, error) {
	if len(resources) == 0 {
		return nil, errors.New("watch: no resource is named")
	}
	for _, r := range resources {
		if r.Kind() == nil {
			return nil, fmt.Errorf("watch %q: no resource that weft stores", r)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{store: s, feed: feed.New(cancel), wanted: resources}
	run := func() {
		w.run(ctx)
		w.feed.Finish(ctx.Err())
	}
	if !s.life.Watch(run, w.feed.Close) {
		cancel()
		return nil, fmt.Errorf("watch: %w", store.ErrClosed)
	}
	return w.feed, nil
}

// run keeps a session open until ctx ends.
func (w *watch) run(ctx context.Context) {
	pause := w.store.pace.retry
	for {
		before := w.revision
		err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		w.feed.Fail(err)
		if errors.Is(err, errCompacted) {
			w.complete = false
			continue
		}
		if w.revision > before {
			pause = w.store.pace.retry
		}
		if !lifetime.Pause(ctx, pause) {
			return
		}
		pause = min(2*pause, w.store.pace.retryMost)
	}
}

// session brings the feed up to date and keeps it so until the connection is lost.
func (w *watch) session(ctx context.Context) error {
	if !w.complete {
		if err := w.snapshot(ctx); err != nil {
			return err
		}
	} else if err := w.check(ctx); err != nil {
		return err
	}
	return w.follow(ctx)
}

// snapshot reads all there is as of one revision.
func (w *watch) snapshot(ctx context.Context) error {
	w.feed.Begin()
	var revision int64
	for _, r := range w.wanted {
		header, err := w.store.list(ctx, w.store.scanOnce, r, "", revision, func(events []store.Event) { w.feed.Apply(events, 0) })
		if err == nil {
			err = w.guard(header)
		}
		if err != nil {
			return err
		}
		if revision == 0 {
			revision = header.Revision
		}
	}
	w.feed.End(revision)
	w.complete, w.revision = true, revision
	return nil
}

// check asks how new the datastore is, with the consent of a majority.
func (w *watch) check(ctx context.Context) error {
	resp, err := w.store.scanOnce(ctx, &pb.RangeRequest{Key: []byte(w.store.keys), CountOnly: true})
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return w.guard(resp.Header)
}

// guard refuses a server whose data is not a continuation of what was seen: nothing is taken back on its word.
func (w *watch) guard(header *pb.ResponseHeader) error {
	const advice = "what was known stays in force; if it was restored from a backup or replaced on purpose, restart this process to accept it"
	switch {
	case w.cluster != 0 && header.ClusterId != w.cluster:
		return fmt.Errorf("etcd at %s is another cluster than before (ID %x, was %x): %s", w.store.config.where(), header.ClusterId, w.cluster, advice)
	case header.Revision < w.newest:
		return fmt.Errorf("etcd at %s went back in time (revision %d, was %d): %s", w.store.config.where(), header.Revision, w.newest, advice)
	}
	w.cluster, w.newest = header.ClusterId, header.Revision
	return nil
}
