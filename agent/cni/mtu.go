// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/veth"
)

// mtu returns the size of an attachment's interface: what the network configuration states, or what is automatic now.
func (s *Server) mtu(ctx context.Context, a *attachment) (int, error) {
	if a.conf.MTU > 0 {
		return a.conf.MTU, nil
	}
	return s.backend.MTU(ctx)
}

// catchUp resizes a new interface that was made while the automatic size changed: Resize did not see it yet.
func (s *Server) catchUp(ctx context.Context, a *attachment, spec veth.Spec) error {
	now, err := s.mtu(ctx, a)
	if err != nil || now == spec.MTU {
		return err
	}
	spec.MTU = now
	return s.links.Resize(spec)
}

// Resize gives the interfaces of running workloads a new size, but for those whose network configuration states one. Workloads notice nothing
// but that: no packet on its way is lost.
func (s *Server) Resize(size int) error {
	var errs []error
	for _, r := range s.all() {
		if r.State == record.Ready && r.MTU == 0 {
			errs = append(errs, s.resize(r, size))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) resize(r *record.Record, size int) error {
	defer s.locks.lock(r.HostIf)()
	if now := s.lookup(r.ID()); now != r {
		return nil // another ADD or DEL has come
	}
	ns, err := netns.OpenPath(r.Netns)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the workload is gone, and its DEL will come
	}
	if err != nil {
		return fmt.Errorf("MTU of workload %s/%s: %w", r.Endpoint.Namespace, r.Endpoint.Name, err)
	}
	defer func() { _ = ns.Close() }()
	err = s.links.Resize(veth.Spec{HostName: r.HostIf, Owner: r.ContainerID, NS: ns, IfName: r.IfName, MTU: size})
	if err != nil {
		return fmt.Errorf("MTU of workload %s/%s: %w", r.Endpoint.Namespace, r.Endpoint.Name, err)
	}
	return nil
}
