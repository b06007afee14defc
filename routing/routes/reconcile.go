// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// reconcile brings the kernel to what is wanted for the given destinations and deletes the strays.
func (m *Manager) reconcile(dsts []netip.Prefix, strays []netlink.RouteChange) error {
	ways, err := m.program(dsts, strays)
	if err != nil {
		return err
	}
	moved := m.hopsWithin(ways)
	if len(moved) == 0 {
		return nil
	}
	if err := m.resolve(moved); err != nil {
		return err
	}
	_, err = m.program(m.routesVia(moved), nil)
	return err
}

// program makes the changes that the given destinations need, new ways before old ones go. It returns the destinations whose change
// may lead next hops elsewhere: a computed route came or went (the BGP peer is a local workload), or any route ended. The monitor
// does not tell, since it leaves out what we do ourselves.
func (m *Manager) program(dsts []netip.Prefix, strays []netlink.RouteChange) (ways []netip.Prefix, err error) {
	slices.SortFunc(dsts, netip.Prefix.Compare)
	var changes, removals []netlink.RouteChange
	for _, dst := range slices.Compact(dsts) {
		change, ok := m.diff(dst)
		switch {
		case !ok:
		case change.Op == netlink.RouteDelete:
			removals = append(removals, change)
		default:
			changes = append(changes, change)
		}
	}
	slices.SortStableFunc(changes, computedFirst)
	changes = append(append(changes, removals...), strays...)
	if len(changes) == 0 {
		return nil, nil
	}
	failed, err := m.kernel.Change(changes)
	if err != nil {
		return nil, m.broken(err)
	}
	for i, c := range changes {
		before := m.present[c.Route.Dst].Protocol
		if before == own.RouteProtocol || c.Route.Protocol == own.RouteProtocol || c.Op == netlink.RouteDelete {
			ways = append(ways, c.Route.Dst)
		}
		m.settle(c, failed[i], i >= len(changes)-len(strays))
	}
	return ways, nil
}

// hopsWithin returns the next hops that lie in any of the destinations.
func (m *Manager) hopsWithin(dsts []netip.Prefix) []netip.Addr {
	within := map[netip.Addr]struct{}{}
	for _, dst := range dsts {
		for _, hop := range m.hops.within(dst) {
			within[hop] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(within))
}

// routesVia returns the destinations that are led over one of the next hops.
func (m *Manager) routesVia(hops []netip.Addr) (dsts []netip.Prefix) {
	among := make(map[netip.Addr]bool, len(hops))
	for _, hop := range hops {
		among[hop] = true
	}
	over := func(dst netip.Prefix) bool {
		return slices.ContainsFunc(m.via(dst), func(h netip.Addr) bool { return among[h] })
	}
	for dst := range m.learned {
		if over(dst) {
			dsts = append(dsts, dst)
		}
	}
	for dst, r := range m.local {
		if r.Kind == desired.RouteNode && over(dst) {
			dsts = append(dsts, dst)
		}
	}
	return dsts
}

// computedFirst puts the routes that a workload waits for before learned ones, and those that lead to gateways before those over them.
func computedFirst(a, b netlink.RouteChange) int {
	return cmp.Or(cmp.Compare(a.Route.Protocol, b.Route.Protocol), cmp.Compare(gateways(a.Route), gateways(b.Route)))
}

func gateways(r netlink.Route) (n int) {
	for _, hop := range r.NextHops {
		if hop.Gateway.IsValid() {
			n++
		}
	}
	return n
}

// diff returns the change that one destination needs.
func (m *Manager) diff(dst netip.Prefix) (netlink.RouteChange, bool) {
	present, has := m.present[dst]
	want, wanted, err := m.want(dst)
	delete(m.problem, dst)
	if err != nil {
		m.problem[dst] = err
	}
	switch {
	case has && present.Protocol == own.RouteProtocol && !m.viewed:
		return netlink.RouteChange{}, false // of an earlier run, and not known yet whether still wanted
	case wanted && err == nil && !has:
		return netlink.RouteChange{Op: netlink.RouteAdd, Route: want}, true
	case wanted && err == nil:
		return netlink.RouteChange{Op: netlink.RouteReplace, Route: want}, !present.Equal(want)
	case !has || !wanted && present.Protocol == own.RouteProtocolBGP && !m.complete:
		return netlink.RouteChange{}, false
	}
	return netlink.RouteChange{Op: netlink.RouteDelete, Route: withoutHops(present)}, true
}

// Metric returns the priority of our route to a destination. Neighbouring blocks have different ones, so that among 10,000 routes through one tunnel the
// kernel compares a new one with some 40 (fib_find_info in net/ipv4/fib_semantics.c, which hashes neither destination nor gateway).
func Metric(dst netip.Prefix) uint32 {
	if dst.Addr().Is6() || dst.IsSingleIP() {
		return own.RouteMetric
	}
	raw := dst.Addr().As4()
	return own.RouteMetric + binary.BigEndian.Uint32(raw[:])>>(32-dst.Bits())%own.RouteMetrics
}

// want returns the route that ought to be in the kernel for a destination; the error says why it cannot be.
func (m *Manager) want(dst netip.Prefix) (r netlink.Route, wanted bool, err error) {
	r = netlink.Route{Dst: dst, Type: netlink.RouteUnicast, Protocol: own.RouteProtocol, Metric: Metric(dst)}
	if local, ok := m.local[dst]; ok {
		err := m.lead(&r, local)
		return r, true, err
	}
	hops, ok := m.learned[dst]
	if !ok {
		return r, false, nil
	}
	r.Protocol, r.MTU = own.RouteProtocolBGP, m.mtu(dst)
	r.NextHops, err = m.resolved(hops)
	if err != nil {
		err = fmt.Errorf("route %s: %w", dst, err)
	}
	return r, true, err
}

// lead completes the kernel's form of a computed route.
func (m *Manager) lead(r *netlink.Route, local desired.Route) (err error) {
	r.MTU = m.mtu(r.Dst)
	switch local.Kind {
	case desired.RouteBlackhole:
		r.Type = netlink.RouteBlackhole
		return nil
	case desired.RouteNode:
		if r.NextHops, err = m.resolved([]netip.Addr{local.Via}); err != nil {
			return fmt.Errorf("route %s: %w", r.Dst, err)
		}
		return nil
	}
	switch link, ok := m.links[local.Interface]; {
	case !ok:
		return fmt.Errorf("route %s: interface %s does not exist yet", r.Dst, local.Interface)
	case !link.Up:
		return fmt.Errorf("route %s: interface %s is down", r.Dst, local.Interface)
	default:
		// Via is valid for a tunnel: no subnet of the device says that it is a neighbour there.
		r.NextHops = []netlink.NextHop{{Gateway: local.Via, Link: link.Index, OnLink: local.Via.IsValid()}}
	}
	return nil
}

// settle records the outcome of one change.
func (m *Manager) settle(c netlink.RouteChange, err error, stray bool) {
	dst := c.Route.Dst
	switch {
	case c.Op == netlink.RouteDelete && (err == nil || errors.Is(err, fs.ErrNotExist)):
		if !stray {
			delete(m.present, dst)
		}
	case err == nil:
		m.present[dst] = c.Route
	case errors.Is(err, fs.ErrExist):
		m.problem[dst] = fmt.Errorf("route %s metric %d: a route of another program has this destination and metric; delete it, `ip route show %s` shows it",
			dst, c.Route.Metric, dst)
		m.log.Warn("route is taken", "error", m.problem[dst])
	default:
		m.problem[dst] = err
		m.log.Warn("program route", "error", err)
	}
}

// withoutHops makes a delete independent of next hops that the kernel may have dropped by itself.
func withoutHops(r netlink.Route) netlink.Route {
	return netlink.Route{Dst: r.Dst, Type: r.Type, Protocol: r.Protocol, Metric: r.Metric}
}
