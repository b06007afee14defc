// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
)

// verify asks the kernel where it would send a packet to each address of the endpoints, and reports by that.
func (m *Manager) verify(report *Report, endpoints []*desired.Endpoint) error {
	if len(endpoints) == 0 {
		return nil
	}
	var addrs []netip.Addr
	for _, e := range endpoints {
		addrs = append(addrs, e.Addrs...)
	}
	found, err := m.kernel.Lookup(addrs)
	if err != nil {
		return m.broken(err)
	}
	report.Failed = map[desired.EndpointID]error{}
	for _, e := range endpoints {
		var errs []error
		for i, addr := range e.Addrs {
			errs = append(errs, m.check(e, addr, found[i]))
		}
		found = found[len(e.Addrs):]
		if err := errors.Join(errs...); err != nil {
			report.Failed[e.ID] = err
		} else {
			report.Programmed = append(report.Programmed, e.ID)
		}
	}
	return nil
}

// check says what is wrong with the route to one address of an endpoint.
func (m *Manager) check(e *desired.Endpoint, addr netip.Addr, f netlink.Found) error {
	dst := hostPrefix(addr)
	r, ok := m.local[dst]
	if !ok || r.Kind != desired.RouteLocal || r.Interface != e.Interface {
		return fmt.Errorf("address %s: no route to interface %s was computed", addr, e.Interface)
	}
	if err := m.problem[dst]; err != nil {
		return err
	}
	if f.Err != nil {
		return fmt.Errorf("address %s: %w", addr, f.Err)
	}
	if !leads(f, m.links[e.Interface].Index) {
		return fmt.Errorf("address %s: the kernel prefers another program's route, %s; delete it", addr, f.Route)
	}
	return nil
}

// Status is one route as `weft state routes` shows it.
type Status struct {
	Dst netip.Prefix
	// Learned says that it came over BGP; NextHops are then those that BGP gave.
	Learned   bool
	Blackhole bool
	Interface string
	NextHops  []netip.Addr
	// Programmed says that the kernel holds it.
	Programmed bool
	// Kept marks a learned route of an earlier run that waits for the speaker to hear everything again.
	Kept bool
	// Reason says why it is not programmed.
	Reason error
}

// Routes returns the state of every route, sorted by destination.
func (m *Manager) Routes() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Status
	for dst, r := range m.local {
		list = append(list, m.status(Status{Dst: dst, Blackhole: r.Kind == desired.RouteBlackhole, Interface: r.Interface, NextHops: m.via(dst)}))
	}
	for dst, hops := range m.learned {
		if _, hidden := m.local[dst]; !hidden {
			list = append(list, m.status(Status{Dst: dst, Learned: true, NextHops: hops}))
		}
	}
	for dst := range m.leftovers() {
		if _, taken := m.local[dst]; !taken {
			list = append(list, m.status(Status{Dst: dst, Learned: true, Kept: true}))
		}
	}
	slices.SortFunc(list, func(a, b Status) int {
		return cmp.Or(a.Dst.Addr().Compare(b.Dst.Addr()), cmp.Compare(a.Dst.Bits(), b.Dst.Bits()))
	})
	return list
}

func (m *Manager) status(s Status) Status {
	s.Reason = m.problem[s.Dst]
	_, present := m.present[s.Dst]
	s.Programmed = present && s.Reason == nil
	return s
}
