// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/internal/cniapi"
)

// del detaches a container. Without a record it is told by the names what to free, so that a DEL after any accident frees what can be found,
// in the kernel and in the datastore. A datastore that is away does not hold up the runtime: the rest is done when it is back.
func (s *Server) del(ctx context.Context, a *attachment) error {
	r := s.lookup(a.id())
	if r == nil {
		r = s.newRecord(a, "")
	}
	err := s.remove(ctx, r)
	if errors.Is(err, errReleaseLater) {
		s.log.Warn("CNI DEL answered, the rest follows", "container", a.containerID, "error", err)
		return nil
	}
	return err
}

// collect answers GC: it removes every attachment of the network that the runtime does not list as valid (CNI spec 1.1, GC).
func (s *Server) collect(ctx context.Context, req *cniapi.Request) error {
	conf, bad := parseConf(req.Config)
	if bad != nil {
		return bad
	}
	valid, bad := conf.valid()
	if bad != nil {
		return bad
	}
	var failed error
	for _, r := range s.all() {
		if r.Network != conf.Name || valid[r.ID()] {
			continue
		}
		if err := s.collectOne(ctx, r); err != nil {
			failed = errors.Join(failed, fmt.Errorf("container %s: %w", r.ContainerID, err))
		}
	}
	return failed
}

func (s *Server) collectOne(ctx context.Context, r *record.Record) error {
	defer s.locks.lock(r.HostIf)()
	if s.lookup(r.ID()) != r {
		return nil // somebody else was faster
	}
	if err := s.remove(ctx, r); !errors.Is(err, errReleaseLater) {
		return err
	}
	return nil
}
