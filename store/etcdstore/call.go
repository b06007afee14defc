// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// rpc is one remote call, to be made with the given context, connection and options.
type rpc func(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) error

// messageSize lifts gRPC's limit of 4 MB on answers; a page of a listing may be larger. etcd limits requests itself.
var messageSize = grpc.MaxCallRecvMsgSize(math.MaxInt32)

// bound gives a context without a deadline the default one, and ends it with the store.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return s.joined(context.WithCancel(ctx))
	}
	return s.joined(context.WithTimeout(ctx, s.config.DialTimeout))
}

// joined ends a context with the store, too.
func (s *Store) joined(ctx context.Context, cancel context.CancelFunc) (context.Context, context.CancelFunc) {
	unhook := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { unhook(); cancel() }
}

// retry makes a call until it succeeds, is refused, or time is up: ctx ends, or the default time has passed if it has no deadline. Between tries it pauses; each try gets more time than the one before.
// Round-robin balancing makes the next try ask another server if there is one.
//
// sent says whether an earlier, unanswered try may have reached a server.
func (s *Store) retry(ctx context.Context, call rpc) (sent bool, err error) {
	ctx, cancel := s.bound(ctx)
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
		if !sleep(ctx, pause) {
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

// sleep pauses for about d; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d)) // spread, so that the clients of a server that is back do not come at once
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
