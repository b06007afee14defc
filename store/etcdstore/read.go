// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/record"
)

// pageSize is the number of keys of one answer to a listing. etcd walks the whole range for each, so it must not be too small.
const pageSize = 1000

// listTries bounds how often a listing starts over because its revision was compacted away while it ran.
const listTries = 3

// Get returns one object.
func (s *Store) Get(ctx context.Context, key api.Key) (api.Object, error) {
	kv, err := s.get(ctx, s.keys.path(key), 0)
	if err == nil && kv == nil {
		err = store.ErrNotFound
	}
	if err == nil {
		var obj api.Object
		if obj, err = record.Decode(key, kv.Value, kv.ModRevision); err == nil {
			return obj, nil
		}
	}
	return nil, &store.KeyError{Op: "get", Key: key, Err: err}
}

// List returns the objects of a resource in key order.
func (s *Store) List(ctx context.Context, resource api.Resource, namespace string) (store.List, error) {
	list, err := s.listAll(ctx, s.scan, resource, namespace)
	for tries := 1; is(err, rpctypes.ErrGRPCCompacted) && tries < listTries; tries++ {
		list, err = s.listAll(ctx, s.scan, resource, namespace) // its revision was dropped between two pages
	}
	if err != nil {
		return store.List{}, err
	}
	// etcd has namespace "a-b" before "a", because "-" comes before "/".
	slices.SortFunc(list.Items, byName)
	slices.SortFunc(list.Invalid, func(a, b store.Invalid) int {
		return cmp.Or(strings.Compare(a.Key.Namespace, b.Key.Namespace), strings.Compare(a.Key.Name, b.Key.Name))
	})
	return list, nil
}

func (s *Store) listAll(ctx context.Context, scan scanner, resource api.Resource, namespace string) (store.List, error) {
	var list store.List
	header, err := s.list(ctx, scan, resource, namespace, 0, func(events []store.Event) {
		for _, e := range events {
			if e.Err != nil {
				list.Invalid = append(list.Invalid, store.Invalid{Key: e.Key, Revision: e.Revision, Err: e.Err})
			} else {
				list.Items = append(list.Items, e.Object)
			}
		}
	})
	if err != nil {
		return store.List{}, err
	}
	list.Revision = header.Revision
	return list, nil
}

func byName(a, b api.Object) int {
	return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
}

// get returns what is or, at a revision other than 0, was stored under an etcd key; nil if nothing.
func (s *Store) get(ctx context.Context, path string, revision int64) (*mvccpb.KeyValue, error) {
	resp, err := s.scan(ctx, &pb.RangeRequest{Key: []byte(path), Revision: revision})
	if err != nil || len(resp.Kvs) == 0 {
		return nil, err
	}
	return resp.Kvs[0], nil
}

// list hands the objects of a resource to use, page by page, all as of one revision: the given one, or for 0 the newest. It reads
// with scan and returns the header of the first page, whose revision is the newest when it was read.
func (s *Store) list(ctx context.Context, scan scanner, resource api.Resource, namespace string, revision int64, use func([]store.Event)) (*pb.ResponseHeader, error) {
	if resource.Kind() == nil {
		return nil, fmt.Errorf("list %q: no resource that weft stores", resource)
	}
	scope := s.keys.scope(resource, namespace)
	req := &pb.RangeRequest{Key: []byte(scope), RangeEnd: []byte(after(scope)), Limit: pageSize, Revision: revision}
	var first *pb.ResponseHeader
	for {
		resp, err := scan(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource, err)
		}
		if first == nil {
			first = resp.Header
		}
		events := make([]store.Event, 0, len(resp.Kvs))
		for _, kv := range resp.Kvs {
			if key, ok := s.keys.parse(string(kv.Key)); ok {
				events = append(events, put(key, kv))
			}
		}
		use(events)
		if !resp.More {
			return first, nil
		}
		if req.Revision == 0 {
			req.Revision = first.Revision
		}
		req.Key = append(resp.Kvs[len(resp.Kvs)-1].Key, 0)
	}
}

// scanner reads a range of keys.
type scanner func(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error)

// scan is the scanner of calls: it tries again.
func (s *Store) scan(ctx context.Context, req *pb.RangeRequest) (resp *pb.RangeResponse, err error) {
	_, err = s.retry(ctx, func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (err error) {
		resp, err = pb.NewKVClient(conn).Range(ctx, req, options...)
		return err
	})
	return resp, err
}

// scanOnce is the scanner of watches, which try again themselves and say meanwhile that they are not in sync.
func (s *Store) scanOnce(ctx context.Context, req *pb.RangeRequest) (resp *pb.RangeResponse, err error) {
	limit := s.pace.silence
	if req.CountOnly {
		limit = s.pace.attempt
	}
	_, err = s.once(ctx, limit, func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (err error) {
		resp, err = pb.NewKVClient(conn).Range(ctx, req, options...)
		return err
	})
	return resp, s.explain(ctx, err)
}

// put makes the event of a stored value: an object, or why it cannot be read.
func put(key api.Key, kv *mvccpb.KeyValue) store.Event {
	obj, err := record.Decode(key, kv.Value, kv.ModRevision)
	return store.Event{Key: key, Object: obj, Err: err, Revision: kv.ModRevision}
}
