// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"math"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/weftnet/weft/store/internal/lifetime"
)

// rpc is one remote call, to be made with the given context, connection and options.
type rpc func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) error

// messageSize lifts gRPC's limit of 4 MB on answers; a page of a listing may be larger. etcd limits requests itself.
var messageSize = grpc.MaxCallRecvMsgSize(math.MaxInt32)

// retry makes a call until it succeeds, is refused, or time is up: ctx ends, or the default time has passed if it has no deadline. Between tries it pauses; each try gets more time than the one before.
// Round-robin balancing makes the next try ask another server if there is one.
//
// sent says whether an earlier, unanswered try may have reached a server.
func (s *Store) retry(ctx context.Context, call rpc) (sent bool, err error) {
	ctx, cancel := s.life.Bound(ctx, s.config.DialTimeout)
	defer cancel()
	limit, pause := s.pace.attempt, s.pace.retry
	var last error
	for {
		reached, failure := s.once(ctx, limit, call)
		if failure == nil || !transient(failure) {
			return sent, s.explain(ctx, failure)
		}
		if ctx.Err() == nil || last == nil {
			last = failure // the reason; later ones may say no more than that time is up
		}
		sent = sent || reached
		if !lifetime.Pause(ctx, pause) {
			return sent, s.explain(ctx, last)
		}
		limit, pause = 2*limit, min(2*pause, s.pace.retryMost)
	}
}

// once makes a call once, after a login if that is asked for, with a time limit. reached says whether it got as far as being sent on
// a connection, so that the server may have acted on it.
func (s *Store) once(ctx context.Context, limit time.Duration, call rpc) (reached bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	token := s.login.token.Load()
	reached, err = s.send(ctx, call)
	if !s.login.wanted(err) {
		return reached, err
	}
	if err := s.login.renew(ctx, s.conn, token); err != nil {
		return false, err
	}
	return s.send(ctx, call)
}

func (s *Store) send(ctx context.Context, call rpc) (reached bool, err error) {
	var p peer.Peer
	err = call(ctx, s.conn, messageSize, grpc.Peer(&p))
	return p.Addr != nil && !is(err, rpctypes.ErrGRPCAuthOldRevision), err
}
