// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"slices"

	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/netns"
)

// Crew is a set of members with open sockets, between which packets can be sent. Close it after use.
type Crew struct {
	lab       *Lab
	endpoints []probe.Endpoint
	services  []probe.Service
	prober    *probe.Prober
	spaces    []*netns.NS
}

// Crew opens probe sockets for services at members: workloads ("shop/web"), nodes ("n1") and External. No members means all workloads,
// and External where a ToR leads to it; no services means probe.AllServices.
func (l *Lab) Crew(ctx context.Context, members []string, services []probe.Service) (*Crew, error) {
	if len(services) == 0 {
		services = probe.AllServices
	}
	if len(members) == 0 {
		workloads, err := l.Workloads()
		if err != nil {
			return nil, err
		}
		for _, w := range workloads {
			members = append(members, w.Key())
		}
		if l.spec.ToR {
			members = append(members, External)
		}
	}
	c := &Crew{lab: l, services: services}
	for _, m := range members {
		e, err := l.endpoint(m)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.endpoints, c.spaces = append(c.endpoints, e), append(c.spaces, e.NS)
	}
	var err error
	if c.prober, err = probe.Open(ctx, c.endpoints, services); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close closes the sockets.
func (c *Crew) Close() {
	if c.prober != nil {
		c.prober.Close()
	}
	for _, ns := range c.spaces {
		_ = ns.Close()
	}
}

// Members returns the full names of the members, in the order in which they were given.
func (c *Crew) Members() []string {
	names := make([]string, len(c.endpoints))
	for i, e := range c.endpoints {
		names[i] = e.Name
	}
	return names
}

// Pairs returns the flows of every service from every member to every other one.
func (c *Crew) Pairs() []probe.Flow { return probe.Pairs(c.endpoints, c.endpoints, c.services) }

// Between returns the flows from one member of the crew to another.
func (c *Crew) Between(src, dst string) ([]probe.Flow, error) {
	var ends [2]probe.Endpoint
	for i, name := range []string{src, dst} {
		at := slices.IndexFunc(c.endpoints, func(e probe.Endpoint) bool { return e.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("probe from %s to %s: %q has no open sockets", src, dst, name)
		}
		ends[i] = c.endpoints[at]
	}
	return probe.Between(ends[0], ends[1], c.services), nil
}

// Try sends flows once and judges them; a nil judge asks policy in the datastore as it is now.
func (c *Crew) Try(ctx context.Context, flows []probe.Flow, judge probe.Judge) (probe.Matrix, error) {
	if judge == nil {
		var err error
		if judge, err = c.lab.Judge(ctx); err != nil {
			return probe.Matrix{}, err
		}
	}
	results, err := c.prober.Run(ctx, flows, func(f probe.Flow) probe.Verdict {
		verdict, _ := judge(f)
		return verdict
	})
	if err != nil {
		return probe.Matrix{}, fmt.Errorf("lab %s: probe: %w", c.lab.spec.Name, err)
	}
	return probe.NewMatrix(results, judge), nil
}

// Settle repeats Try until everything goes as judged, and returns the last matrix. When ctx ends first that one has mismatches; this is no
// error.
func (c *Crew) Settle(ctx context.Context, flows []probe.Flow, judge probe.Judge) (probe.Matrix, error) {
	var last probe.Matrix
	for {
		m, err := c.Try(ctx, flows, judge)
		switch {
		case ctx.Err() != nil && len(last.Cells) > 0:
			return last, nil
		case err != nil:
			return m, err
		case len(m.Mismatches()) == 0:
			return m, nil
		}
		last = m
	}
}

// Matrix opens a crew, tries all pairs once and closes it; see Crew.
func (l *Lab) Matrix(ctx context.Context, members []string, services []probe.Service) (probe.Matrix, error) {
	c, err := l.Crew(ctx, members, services)
	if err != nil {
		return probe.Matrix{}, err
	}
	defer c.Close()
	return c.Try(ctx, c.Pairs(), nil)
}

// endpoint opens a member as a place to probe from and to.
func (l *Lab) endpoint(member string) (probe.Endpoint, error) {
	e := probe.Endpoint{Name: member}
	if h, ok := l.host(member); ok {
		for _, a := range h.addrs {
			e.Addrs = append(e.Addrs, a.Addr())
		}
	} else {
		w, err := l.Workload(member)
		if err != nil {
			return e, err
		}
		e.Name, e.Addrs = w.Key(), w.Addresses
	}
	ns, err := l.Namespace(e.Name)
	if err != nil {
		return e, err
	}
	e.NS = ns
	return e, nil
}

// host returns the plan of a member that is no workload.
func (l *Lab) host(member string) (hostPlan, bool) {
	switch member {
	case roleExternal:
		return l.plan.external, true
	case roleReflector:
		return l.plan.reflector, true
	}
	n, err := l.node(member)
	return n.hostPlan, err == nil
}
