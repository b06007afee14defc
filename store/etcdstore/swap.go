// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/weftnet/weft/store"
)

// errMoved is ErrConflict where the key changed after its revision was read, as opposed to a UID that differs.
var errMoved = fmt.Errorf("%w", store.ErrConflict)

// change is a write of one key: value (nil deletes) takes the place of what was changed last at revision base (0: there is no such key).
type change struct {
	path  string
	base  int64
	value []byte
}

// swap makes one change and returns the revision of the write.
func (s *Store) swap(ctx context.Context, path string, base int64, value []byte) (int64, error) {
	revision, _, err := s.swapAll(ctx, change{path, base, value})
	return revision, err
}

// swapAll is the one way to write: it makes all changes, or none and says which one was refused.
//
// When a connection breaks, the answer to a write may be lost, and the write made nevertheless, at once or a little later. Sending it
// again is safe, because its condition holds for one of the copies only; but then the refusal of one copy must not be taken for that of
// the write. So each write has a mark, and the value found in place of the first base is looked at: if it is this very write, the write was
// made.
func (s *Store) swapAll(ctx context.Context, changes ...change) (revision int64, refused int, err error) {
	req := &pb.TxnRequest{}
	for i := range changes {
		changes[i].addTo(req)
	}
	var resp *pb.TxnResponse
	unsure, err := s.retry(ctx, func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (err error) {
		resp, err = pb.NewKVClient(conn).Txn(ctx, req, options...)
		return err
	})
	switch {
	case err != nil && unsure:
		return 0, 0, fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, err)
	case err != nil:
		return 0, 0, err
	case resp.Succeeded:
		return resp.Header.Revision, 0, nil
	}
	found := make([]*mvccpb.KeyValue, len(changes))
	for i, r := range resp.Responses {
		found[i] = &mvccpb.KeyValue{}
		if kvs := r.GetResponseRange().Kvs; len(kvs) > 0 {
			found[i] = kvs[0]
		}
	}
	if first := changes[0]; unsure && found[0].ModRevision != first.base {
		revision, err := s.settle(ctx, first.path, first.base, first.value, found[0])
		return revision, 0, err
	}
	for refused = range changes { // one of them is
		if found[refused].ModRevision != changes[refused].base {
			break
		}
	}
	return 0, refused, refusal(changes[refused].base, found[refused])
}

// addTo marks the change and adds it to a transaction; the answer of one that is refused holds what was found in its place.
func (c *change) addTo(req *pb.TxnRequest) {
	key := []byte(c.path)
	write := &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key}}}
	if c.value != nil {
		c.value = mark(c.value)
		write.Request = &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: c.value}}
	}
	req.Compare = append(req.Compare, &pb.Compare{
		Result: pb.Compare_EQUAL, Target: pb.Compare_MOD, Key: key, TargetUnion: &pb.Compare_ModRevision{ModRevision: c.base},
	})
	req.Success = append(req.Success, write)
	req.Failure = append(req.Failure, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key}}})
}

// refusal is the error of a write that found another state than the one it was for.
func refusal(base int64, found *mvccpb.KeyValue) error {
	if base != 0 && found.ModRevision == 0 {
		return store.ErrNotFound
	}
	return errMoved
}

// settle finds out whether a write whose answer was lost is what changed the key after base. found is what is there now.
func (s *Store) settle(ctx context.Context, path string, base int64, value []byte, found *mvccpb.KeyValue) (int64, error) {
	if value == nil {
		if found.CreateRevision > base || found.ModRevision == 0 {
			return found.ModRevision, nil // it was deleted, by this write or by a like one
		}
		return 0, errMoved
	}
	if found.ModRevision == 0 || base != 0 && found.CreateRevision > base {
		return 0, refusal(base, found) // deleted since: what this write did has no trace either way
	}
	first, err := s.firstAfter(ctx, path, base, found)
	switch {
	case is(err, rpctypes.ErrGRPCCompacted):
		return 0, fmt.Errorf("%w: %w: the history that would tell was compacted", store.ErrUnavailable, store.ErrOutcomeUnknown)
	case err != nil:
		return 0, fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, err)
	case !bytes.Equal(first.Value, value):
		return 0, errMoved
	}
	return first.ModRevision, nil
}

// firstAfter walks the history of a key back from found to the first change after revision base.
func (s *Store) firstAfter(ctx context.Context, path string, base int64, found *mvccpb.KeyValue) (*mvccpb.KeyValue, error) {
	if base == 0 {
		if found.Version == 1 {
			return found, nil
		}
		return s.get(ctx, path, found.CreateRevision)
	}
	for {
		before, err := s.get(ctx, path, found.ModRevision-1)
		if err != nil {
			return nil, err
		}
		if before == nil || before.ModRevision <= base {
			return found, nil
		}
		found = before
	}
}

// markLength is the number of bits, and of bytes, of a mark. Marks tell apart only writes of the same content over the same revision.
const markLength = 32

// mark appends white space, which readers of JSON skip, that differs from write to write.
func mark(value []byte) []byte {
	out := make([]byte, len(value), len(value)+markLength)
	copy(out, value)
	for bits, i := rand.Uint32(), 0; i < markLength; i++ {
		out = append(out, " \t"[bits>>i&1])
	}
	return out
}
