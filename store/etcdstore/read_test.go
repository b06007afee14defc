// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/feed"
)

// TestCompactedBetweenPages compacts the revision that a listing is of after its first page.
func TestCompactedBetweenPages(t *testing.T) {
	t.Parallel()
	e := embedded(t, EmbeddedConfig{Dir: t.TempDir()})
	s, admin := client(t, e.Endpoints()...), adminOf(t, e.Endpoints()[0])
	for i := range pageSize + 1 {
		path := s.keys.path(api.Key{Resource: api.IPPools, Name: fmt.Sprint(i)})
		if _, err := admin.Put(t.Context(), path, "x"); err != nil {
			t.Fatal(err)
		}
	}
	pages := 0
	_, err := s.listAll(t.Context(), func(ctx context.Context, req *pb.RangeRequest) (*pb.RangeResponse, error) {
		if pages++; pages == 2 {
			if _, err := admin.Put(t.Context(), "more", ""); err != nil {
				t.Error(err)
			}
			compact(t, admin)
		}
		return s.scan(ctx, req)
	}, api.IPPools, "")
	if !is(err, rpctypes.ErrGRPCCompacted) {
		t.Errorf("the interrupted listing: %v, want etcd's error that List looks for", err)
	}
	list, err := s.List(t.Context(), api.IPPools, "")
	if err != nil || len(list.Invalid) != pageSize+1 {
		t.Errorf("%d keys, %v", len(list.Invalid), err)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	e := embedded(t, EmbeddedConfig{Dir: t.TempDir()})
	s := client(t, e.Endpoints()...)
	for _, size := range []int{1_600_000, 2_200_000, 5_000_000} { // over the limits of the server and of the client
		big := &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "big", Annotations: map[string]string{"x": strings.Repeat("x", size)}}}
		if _, err := s.Create(t.Context(), big); err == nil || !strings.Contains(err.Error(), "larger than etcd takes") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestIdleWatch leaves a watch alone: servers old and new go on giving signs of life on it, before and after an event. (That a watch without any is given up
// is the part of TestDeafServer.)
func TestIdleWatch(t *testing.T) {
	t.Parallel()
	restless := quick
	restless.heartbeat = 50 * time.Millisecond
	servers := map[string]string{
		"server": startEtcd(t).client, "embedded": embedded(t, EmbeddedConfig{Dir: t.TempDir()}).Endpoints()[0],
	}
	for name, endpoint := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := newStore(Config{Endpoints: []string{endpoint}}, restless)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			idleWatch(t, s)
		})
	}
}

func idleWatch(t *testing.T, s *Store) {
	w := &watch{store: s, feed: feed.New(nil), wanted: []api.Resource{api.IPPools}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	defer w.feed.Close()
	signs, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- w.receive(ctx, func() {
			select {
			case signs <- struct{}{}:
			default:
			}
		})
	}()
	for i := range 2 {
		for n := range 8 {
			select {
			case <-signs:
			case err := <-ended:
				t.Fatalf("the watch has ended after %d signs of life: %v", n, err)
			}
		}
		want := counter(fmt.Sprint(i))
		if _, err := s.Create(ctx, want); err != nil {
			t.Fatal(err)
		}
		for shown := false; !shown; {
			b, err := w.feed.Next(ctx)
			if err != nil || !b.InSync {
				t.Fatalf("batch %+v, %v", b, err)
			}
			shown = slices.ContainsFunc(b.Events, func(e store.Event) bool { return e.Key == api.KeyOf(want) })
		}
	}
	cancel()
	if <-ended == nil {
		t.Error("a watch that is cut off ends without an error")
	}
}

// TestFragments checks that a revision of which only a part has come is asked for again on resumption.
func TestFragments(t *testing.T) {
	s := client(t, "http://127.0.0.1:1")
	w := &watch{store: s, feed: feed.New(nil), wanted: []api.Resource{api.IPPools}, cluster: 1, revision: 5}
	event := func(name string, revision int64) *mvccpb.Event {
		return &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte(s.keys.path(api.Key{Resource: api.IPPools, Name: name})), ModRevision: revision}}
	}
	header := &pb.ResponseHeader{ClusterId: 1, Revision: 99}
	for _, step := range []struct {
		resp *pb.WatchResponse
		want int64
	}{
		{&pb.WatchResponse{Header: header, Fragment: true, Events: []*mvccpb.Event{event("a", 6), event("a", 7)}}, 6},
		{&pb.WatchResponse{Header: header, Events: []*mvccpb.Event{event("b", 7)}}, 7},
		{&pb.WatchResponse{Header: header}, 7}, // a progress report is not trusted
	} {
		if err := w.handle(step.resp); err != nil || w.revision != step.want {
			t.Errorf("after %v: at %d, %v; want %d", step.resp, w.revision, err, step.want)
		}
	}
}
