// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weftnet/weft/store"
)

// errSilent ends a stream whose server gives no sign of life.
var errSilent = status.Error(codes.Unavailable, "the server gives no sign of life on the watch")

// errOtherCluster ends a stream of a server that is no member of the cluster known so far.
var errOtherCluster = errors.New("the server belongs to another cluster than before")

// follow opens a stream and feeds its events until it breaks. The client library's own watcher is not used because it reconnects without
// a word: silence would look like calm, and another server's data like a continuation.
func (w *watch) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(w.store.pace.silence, func() { cancel(errSilent) })
	defer watchdog.Stop()

	err := w.receive(ctx, func() { watchdog.Reset(w.store.pace.silence) })
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		err = cause
	}
	if errors.Is(err, errCompacted) || errors.Is(err, errOtherCluster) {
		return err
	}
	return fmt.Errorf("watch: %w", w.store.explain(context.WithoutCancel(ctx), err))
}

// receive opens the stream and feeds what comes, calling alive for each answer.
func (w *watch) receive(ctx context.Context, alive func()) error {
	stream, err := pb.NewWatchClient(w.store.conn).Watch(clientv3.WithRequireLeader(ctx), messageSize)
	if err != nil {
		return err
	}
	from, to := w.store.keys.cover(w.wanted)
	// From the known revision, not the next: etcd 3.5.8 and later give no sign of life on a watch that starts in the future.
	create := &pb.WatchCreateRequest{Key: []byte(from), RangeEnd: []byte(to), StartRevision: w.revision, Fragment: true}
	if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}); err != nil {
		return lost(stream, err)
	}
	go w.askForLife(ctx, stream)
	for {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		alive()
		if err := w.handle(resp); err != nil {
			return err
		}
	}
}

// lost returns why a stream broke: sending says only that it did.
func lost(stream pb.Watch_WatchClient, err error) error {
	if _, cause := stream.Recv(); cause != nil {
		return cause
	}
	return err
}

// askForLife asks the server for a progress report now and then, which it answers on a healthy stream. What a report says is not used:
// etcd before 3.4.25 and 3.5.8 may send one ahead of events that it covers (etcd issue 15220).
func (w *watch) askForLife(ctx context.Context, stream pb.Watch_WatchClient) {
	ticker := time.NewTicker(w.store.pace.heartbeat)
	defer ticker.Stop()
	req := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}
	for {
		select {
		case <-ticker.C:
			if stream.Send(req) != nil {
				return // Recv says why
			}
		case <-ctx.Done():
			return
		}
	}
}

// handle feeds one answer of the stream.
func (w *watch) handle(resp *pb.WatchResponse) error {
	switch {
	case resp.Header.GetClusterId() != w.cluster:
		return fmt.Errorf("etcd at %s: %w", w.store.config.where(), errOtherCluster)
	case resp.CompactRevision != 0:
		return errCompacted
	case resp.Canceled:
		return status.Error(codes.Unavailable, "the server ended the watch: "+resp.CancelReason)
	case resp.Created:
		w.feed.Resume() // it has all there was at its revision; what came later follows
		return nil
	case len(resp.Events) == 0:
		return nil
	}
	var events []store.Event
	for _, e := range resp.Events {
		key, ok := w.store.keys.parse(string(e.Kv.Key))
		switch {
		case e.Kv.ModRevision <= w.revision: // known; see receive
		case !ok || !slices.Contains(w.wanted, key.Resource):
		case e.Type == mvccpb.Event_DELETE:
			events = append(events, store.Event{Key: key, Revision: e.Kv.ModRevision})
		default:
			events = append(events, put(key, e.Kv))
		}
	}
	done := resp.Events[len(resp.Events)-1].Kv.ModRevision
	if resp.Fragment {
		done-- // the rest of this revision is in the next fragment
	}
	w.feed.Apply(events, done)
	w.revision, w.newest = max(w.revision, done), max(w.newest, done)
	return nil
}
