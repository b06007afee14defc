// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
)

// protocolBIRD is the protocol number of routes that BIRD writes (RTPROT_BIRD, rtnetlink.h).
const protocolBIRD = 12

// Converge waits until what is in the datastore now is in force: every workload is published, every running agent has read the datastore as
// of now and programmed it, and every node, and the ToR, has a route to every workload. The error says what is still missing when ctx ends.
func (l *Lab) Converge(ctx context.Context) error {
	if err := l.published(ctx); err != nil {
		return err
	}
	revision, err := l.milestone(ctx)
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, n := range l.plan.nodes {
		if p, err := l.process(n.name); err == nil && p.Alive() {
			group.Go(func() error { return until(gctx, func() error { return l.caughtUp(gctx, n.name, revision) }) })
		}
		group.Go(func() error {
			return until(gctx, func() error { return l.routed(n.name, own.RouteProtocol, own.RouteProtocolBGP) })
		})
	}
	if l.spec.ToR {
		group.Go(func() error { return until(gctx, func() error { return l.routed(roleToR, protocolBIRD) }) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("lab %s does not converge: %w", l.spec.Name, err)
	}
	return nil
}

// published waits until the datastore knows every attached workload.
func (l *Lab) published(ctx context.Context) error {
	s, err := l.Store()
	if err != nil {
		return err
	}
	return until(ctx, func() error {
		list, err := s.List(ctx, api.WorkloadEndpoints, "")
		if err != nil {
			return err
		}
		return l.allIn(list.Items)
	})
}

// milestoneAnnotation on the default namespace marks a point in the datastore's history.
const milestoneAnnotation = "weft.net/lab-milestone"

// milestone makes a change that every agent watches and that changes nothing, and returns its revision: an agent that has got there has
// seen everything before it, deletions too.
func (l *Lab) milestone(ctx context.Context) (uint64, error) {
	s, err := l.Store()
	if err != nil {
		return 0, err
	}
	for {
		current, err := s.Get(ctx, api.Key{Resource: api.Namespaces, Name: DefaultNamespace})
		if err != nil {
			return 0, fmt.Errorf("lab %s: milestone: %w", l.spec.Name, err)
		}
		next := api.Clone(current)
		annotations := maps.Clone(next.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[milestoneAnnotation] = current.GetResourceVersion()
		next.SetAnnotations(annotations)
		written, err := s.Update(ctx, next)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("lab %s: milestone: %w", l.spec.Name, err)
		}
		return strconv.ParseUint(written.GetResourceVersion(), 10, 64)
	}
}

// allIn names a workload whose endpoint is not among objs.
func (l *Lab) allIn(objs []api.Object) error {
	workloads, err := l.Workloads()
	if err != nil {
		return err
	}
	for _, w := range workloads {
		known := slices.ContainsFunc(objs, func(o api.Object) bool {
			e, ok := o.(*v3.WorkloadEndpoint)
			return ok && e.Spec.ContainerID == w.ContainerID
		})
		if !known && !w.Broken {
			return fmt.Errorf("the agent of %s has not published workload %s", w.Node, w.Key())
		}
	}
	return nil
}

// caughtUp says whether an agent has programmed what the datastore held at revision.
func (l *Lab) caughtUp(ctx context.Context, node string, revision uint64) error {
	status, err := l.Agent(node).Status(ctx)
	switch {
	case err != nil:
		return err
	case !status.InSync || uint64(status.Revision) < revision:
		return fmt.Errorf("the agent of %s has read the datastore up to revision %d of %d %s", node, status.Revision, revision, status.Datastore)
	case status.Connections.Pending:
		return fmt.Errorf("the agent of %s has not judged all established connections again %s", node, status.Connections.Error)
	}
	return nil
}

// routed says whether a router has a route of one of the protocols to every workload.
func (l *Lab) routed(member string, protocols ...uint8) error {
	workloads, err := l.Workloads()
	if err != nil {
		return err
	}
	routes, err := l.routesOf(member, protocols...)
	if err != nil {
		return err
	}
	for _, w := range workloads {
		for _, a := range w.Addresses {
			if !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Type == netlink.RouteUnicast && r.Dst.Contains(a) }) {
				return fmt.Errorf("%s has no route to %s (%s)", member, w.Key(), a)
			}
		}
	}
	return nil
}

// routesOf lists the routes of the protocols in a member's main table.
func (l *Lab) routesOf(member string, protocols ...uint8) ([]netlink.Route, error) {
	ns, err := netns.Open(namespace(l.spec.Name, member))
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }()
	conn, err := netlink.OpenRoutes(ns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	var out []netlink.Route
	for _, protocol := range protocols {
		routes, err := conn.List(protocol)
		if err != nil {
			return nil, fmt.Errorf("lab %s: routes of %s: %w", l.spec.Name, member, err)
		}
		out = append(out, routes...)
	}
	return out, nil
}

// until polls ok until it returns nil, and tells its last error when ctx ends: the last one before that end if it is cut short by it.
func until(ctx context.Context, ok func() error) error {
	ticker := time.NewTicker(2 * pollEvery)
	defer ticker.Stop()
	var before error
	for {
		err := ok()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || before == nil {
			before = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(before, ctx.Err())
		case <-ticker.C:
		}
	}
}
