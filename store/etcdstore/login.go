// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// login adds a token to calls and gets a new one when the server asks for it.
//
// The client library's own login is not used: it sends the expired token along when it asks for a new one, which etcd 3.4 refuses,
// whereupon the library asks again, without end.
type login struct {
	user, password string

	token atomic.Pointer[string] // nil before the first login
	turn  chan struct{}          // holds a token while nobody logs in
}

var _ credentials.PerRPCCredentials = (*login)(nil)

func newLogin(user, password string) *login {
	l := &login{user: user, password: password, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// anonymous marks the context of a call that goes without a token.
type anonymous struct{}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (l *login) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token := l.token.Load()
	if token == nil || ctx.Value(anonymous{}) != nil {
		return nil, nil
	}
	return map[string]string{rpctypes.TokenFieldNameGRPC: *token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. As with etcd's own client, TLS is the user's choice.
func (*login) RequireTransportSecurity() bool { return false }

// wanted reports whether a call was refused, unread, for want of a valid token.
func (l *login) wanted(err error) bool {
	return l.user != "" && (is(err, rpctypes.ErrGRPCUserEmpty) || is(err, rpctypes.ErrGRPCInvalidAuthToken))
}

// renew gets a new token, unless somebody has done so since the given one was in use.
func (l *login) renew(ctx context.Context, conn *grpc.ClientConn, used *string) error {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if l.token.Load() != used {
		return nil
	}
	ctx = context.WithValue(ctx, anonymous{}, true)
	resp, err := pb.NewAuthClient(conn).Authenticate(ctx, &pb.AuthenticateRequest{Name: l.user, Password: l.password})
	if err != nil {
		return err
	}
	l.token.Store(&resp.Token)
	return nil
}
