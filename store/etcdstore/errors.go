// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weftnet/weft/store"
)

// transient reports whether a failed try may be made again: no server was reached, the answer was lost, or the server was
// busy with itself.
func transient(err error) bool {
	switch {
	case errors.Is(err, store.ErrClosed):
		return false
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled): // of the try; the caller's is looked at elsewhere
		return true
	case is(err, rpctypes.ErrGRPCRequestTooManyRequests) || is(err, rpctypes.ErrGRPCAuthOldRevision) || is(err, rpctypes.ErrGRPCInvalidAuthToken):
		return true
	}
	switch code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Aborted:
		return true
	case codes.Unknown: // etcd 3.4 hands the end of a try's time on as it is
		return text(err) == context.DeadlineExceeded.Error() || text(err) == context.Canceled.Error()
	}
	return false
}

// is compares with one of etcd's errors, which arrive as gRPC status or, from the client library, as its own type.
func is(err, target error) bool {
	return err != nil && text(err) == text(target)
}

func code(err error) codes.Code { return statusOf(err).Code() }
func text(err error) string     { return statusOf(err).Message() }

// statusOf finds the gRPC status in err, also beneath wrapping.
func statusOf(err error) *status.Status {
	var etcd rpctypes.EtcdError
	if errors.As(err, &etcd) {
		return status.New(etcd.Code(), etcd.Error())
	}
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) {
		return carrier.GRPCStatus()
	}
	return status.Convert(err)
}

// explain turns the error of a call into one that says what to do.
func (s *Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if over := s.life.Over(ctx); over != nil {
		return over
	}
	why := strings.TrimPrefix(text(err), "etcdserver: ")
	switch {
	case transient(err):
		return fmt.Errorf("%w: no usable answer from etcd at %s (%s); check that it runs, that this host reaches it and that its members have a leader",
			store.ErrUnavailable, s.config.where(), why)
	case is(err, rpctypes.ErrGRPCAuthFailed) || is(err, rpctypes.ErrGRPCUserEmpty) || is(err, rpctypes.ErrGRPCPermissionDenied):
		return fmt.Errorf("etcd at %s: %s; check user name (%q) and password, and that its role may read and write keys under %s",
			s.config.where(), why, s.config.Username, s.config.Prefix)
	case is(err, rpctypes.ErrGRPCNoSpace):
		return fmt.Errorf("etcd at %s: %s; compact and defragment it, or raise --quota-backend-bytes, then disarm the alarm", s.config.where(), why)
	case is(err, rpctypes.ErrGRPCRequestTooLarge) || code(err) == codes.ResourceExhausted:
		return fmt.Errorf("the object is larger than etcd takes (--max-request-bytes, 1.5 MiB by default): %s", why)
	}
	return fmt.Errorf("etcd at %s: %w", s.config.where(), err)
}
