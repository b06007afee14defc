// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/lifetime"
)

// stream follows one resource: a streaming list, or where the server has none a list, then changes.
type stream struct {
	watch  *watch
	form   form
	fields url.Values // which objects of the resource; nil: all
	plain  bool       // the server has no streaming lists

	// Guarded by watch.mu.
	complete  bool  // a snapshot was read; revision is where to go on
	revision  int64 // everything up to here was offered
	connected bool
	absent    bool  // the cluster does not have this optional resource
	err       error // why the stream is not connected
}

// errSilent ends a watch on which not even bookmarks come.
var errSilent = errors.New("the server gives no sign of life on the watch")

// run keeps the stream open until ctx ends.
func (s *stream) run(ctx context.Context) {
	pace := s.watch.store.pace
	pause := pace.retry
	for ctx.Err() == nil {
		before := s.revision
		err := s.session(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, io.EOF): // the server ends watches now and then; nothing is missed
			pause = pace.retry
		case expired(err):
			if s.complete {
				pause = pace.retry // the server is back after a long time away; what it has to say is waited for
			}
			s.forget()
		case errors.Is(err, errAbsent) && s.form.optional():
			s.missing()
			switch came, err := s.awaitDefinition(ctx); {
			case err != nil: // it may not be watched
				pause = pace.absent
			case came:
				pause = pace.retry
			}
		default:
			s.watch.report(s, fmt.Errorf("watch %s: %w", s.form.kind.Resource, err))
			if s.revision > before {
				pause = pace.retry
			}
		}
		if !lifetime.Pause(ctx, max(pause, leastPause(err))) {
			return
		}
		if err != nil && !errors.Is(err, io.EOF) {
			pause = min(2*pause, pace.retryMost)
		}
	}
}

// forget has the next session read everything again.
func (s *stream) forget() {
	s.watch.mu.Lock()
	s.complete = false
	s.watch.mu.Unlock()
	s.watch.report(s, fmt.Errorf("watch %s: the API server has dropped the history this watch had to catch up with; reading everything again", s.form.kind.Resource))
}

// missing notes that the cluster has no such resource: there are no objects of it.
func (s *stream) missing() {
	s.watch.mu.Lock()
	s.absent, s.complete = true, false
	s.watch.mu.Unlock()
	s.watch.feed.Keep(s.form.kind.Resource, nil, s.watch.newest()+1)
	s.watch.report(s, nil)
}

// session brings the feed up to date and keeps it so until the connection is lost.
func (s *stream) session(ctx context.Context) error {
	if s.complete {
		return s.follow(ctx, url.Values{"resourceVersion": {strconv.FormatInt(s.revision, 10)}}, nil)
	}
	if !s.plain {
		query := url.Values{"sendInitialEvents": {"true"}, "resourceVersionMatch": {"NotOlderThan"}}
		err := s.follow(ctx, query, map[api.Key]bool{})
		if !noStreamingLists(err) {
			return err
		}
		s.plain = true
	}
	if err := s.list(ctx); err != nil {
		return err
	}
	return s.session(ctx)
}

// noStreamingLists tells whether the server has none: Kubernetes before 1.32, one with the feature WatchList off, or with an etcd (before 3.4.31)
// that cannot say how far its watches are.
func noStreamingLists(err error) bool {
	r := refused(err)
	return r != nil && (r.Code == http.StatusUnprocessableEntity || strings.Contains(r.Message, "RequestWatchProgress"))
}

// list reads the resource.
func (s *stream) list(ctx context.Context) error {
	kept := map[api.Key]bool{}
	var events []store.Event
	revision, err := s.watch.store.list(ctx, s.form, "", s.fields, func(e store.Event) {
		kept[e.Key] = true
		s.collect(&events, e)
	})
	if err != nil {
		return err
	}
	return s.finish(events, kept, revision)
}

// collect takes an object of a snapshot in. The first one is handed on as it comes: nothing older can be taken back by it, and so not all objects have to be in memory
// at a time.
func (s *stream) collect(events *[]store.Event, e store.Event) {
	if s.revision == 0 {
		s.watch.offer(s, []store.Event{e}, 0)
		return
	}
	*events = append(*events, e)
}

// finish hands a snapshot on, unless it is of data older than what was seen: nothing is taken back on its word.
func (s *stream) finish(events []store.Event, kept map[api.Key]bool, revision int64) error {
	if newest := s.watch.newest(); revision < s.revision {
		return fmt.Errorf("the Kubernetes API at %s went back in time (revision %d, was %d): what was known stays in force; if it was restored from a backup or replaced on purpose, restart this process to accept it",
			s.watch.store.base.Host, revision, newest)
	}
	s.watch.offer(s, events, 0)
	s.watch.snapshot(s, kept, revision)
	return nil
}

// follow opens a watch and feeds its events until it breaks. kept, if not nil, collects the snapshot that comes first.
func (s *stream) follow(ctx context.Context, query url.Values, kept map[api.Key]bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := s.watch.store.pace.silence
	watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watchdog.Stop()

	maps.Copy(query, s.fields)
	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	r := request{verb: "watch", form: s.form, path: s.form.path("", ""), query: query}
	err := s.receive(ctx, r, kept, func() { watchdog.Reset(silence) })
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		err = cause
	}
	if errors.Is(err, io.EOF) || expired(err) || noStreamingLists(err) {
		return err
	}
	return s.watch.store.explain(context.WithoutCancel(ctx), r, err)
}

// change is one event of a watch.
type change struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// receive makes the request and feeds what comes, calling alive for each event.
func (s *stream) receive(ctx context.Context, r request, kept map[api.Key]bool, alive func()) error {
	resp, _, err := s.watch.store.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	s.watch.mu.Lock()
	s.absent = false
	s.watch.mu.Unlock()
	if kept == nil {
		s.watch.report(s, nil)
	}
	collected := &snapshot{kept: kept}
	events := json.NewDecoder(resp.Body)
	for {
		var c change
		if err := events.Decode(&c); err != nil {
			return err
		}
		alive()
		if err := s.take(c, collected); err != nil {
			return err
		}
	}
}

// refusalOf is the error that a watch ends with.
func refusalOf(status json.RawMessage) error {
	r := &refusal{}
	if err := json.Unmarshal(status, &r.Status); err != nil {
		return err
	}
	return r
}

// snapshot is what has come of a streaming list; kept is nil once it is complete.
type snapshot struct {
	kept   map[api.Key]bool
	events []store.Event
}

// initialEventsEnd marks the bookmark behind the last object of a streaming list.
const initialEventsEnd = metav1.InitialEventsAnnotationKey

// take handles one event.
func (s *stream) take(c change, list *snapshot) error {
	switch c.Type {
	case "ERROR":
		return refusalOf(c.Object)
	case "BOOKMARK":
		return s.bookmark(c.Object, list)
	}
	e, err := s.form.event(c.Object)
	if err != nil {
		return err
	}
	if c.Type == "DELETED" {
		e.Object, e.Err = nil, nil
	}
	if list.kept != nil {
		list.kept[e.Key] = true
		s.collect(&list.events, e)
		return nil
	}
	s.watch.offer(s, []store.Event{e}, e.Revision)
	return nil
}

// bookmark notes how far the watch has come.
func (s *stream) bookmark(data []byte, list *snapshot) error {
	h, err := headOf(data)
	if err != nil {
		return err
	}
	revision, err := h.revision()
	if err != nil {
		return err
	}
	if list.kept == nil {
		s.watch.offer(s, nil, revision)
		return nil
	}
	if h.Metadata.Annotations[initialEventsEnd] != "true" {
		return nil
	}
	if err := s.finish(list.events, list.kept, revision); err != nil {
		return err
	}
	list.kept, list.events = nil, nil
	s.watch.report(s, nil)
	return nil
}
