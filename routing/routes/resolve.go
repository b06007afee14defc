// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// resolved joins the ways to all next hops. Next hops that cannot be reached are left out as long as one can.
func (m *Manager) resolved(addrs []netip.Addr) ([]netlink.NextHop, error) {
	if len(addrs) == 1 {
		r := m.hops.ways[addrs[0]]
		return r.hops, r.err
	}
	var (
		hops []netlink.NextHop
		errs []error
	)
	for _, addr := range addrs {
		r := m.hops.ways[addr]
		hops, errs = append(hops, r.hops...), append(errs, r.err)
	}
	if len(hops) == 0 {
		return nil, errors.Join(errs...)
	}
	slices.SortFunc(hops, netlink.NextHop.Compare)
	return slices.Compact(hops), nil
}

// resolveAll asks the kernel again for the way to every next hop in use.
func (m *Manager) resolveAll() error {
	m.hops.clear()
	dsts := slices.AppendSeq(slices.Collect(maps.Keys(m.local)), maps.Keys(m.learned))
	return m.resolveMissing(dsts)
}

// via returns the next hops of a destination that are to be looked up: what is computed goes before what is learned.
func (m *Manager) via(dst netip.Prefix) []netip.Addr {
	switch r, ok := m.local[dst]; {
	case !ok:
		return m.learned[dst]
	case r.Kind == desired.RouteNode:
		return []netip.Addr{r.Via}
	}
	return nil
}

// resolveMissing asks for the next hops of the given destinations that have not been looked up.
func (m *Manager) resolveMissing(dsts []netip.Prefix) error {
	var missing []netip.Addr
	seen := map[netip.Addr]struct{}{}
	for _, dst := range dsts {
		for _, hop := range m.via(dst) {
			if _, known := m.hops.ways[hop]; known {
				continue
			}
			if _, twice := seen[hop]; !twice {
				seen[hop] = struct{}{}
				missing = append(missing, hop)
			}
		}
	}
	slices.SortFunc(missing, netip.Addr.Compare)
	return m.resolve(missing)
}

func (m *Manager) resolve(addrs []netip.Addr) error {
	if len(addrs) == 0 {
		return nil
	}
	found, err := m.kernel.Lookup(addrs)
	if err != nil {
		return m.broken(err)
	}
	var underlay []netlink.Route
	for i, addr := range addrs {
		f := found[i]
		if f.Err == nil && f.Route.Protocol == own.RouteProtocolBGP {
			// A learned route must not decide where learned routes go; the kernel cannot leave some out, so look for ourselves.
			if underlay == nil {
				if underlay, err = m.kernel.List(0); err != nil {
					return m.broken(err)
				}
			}
			f = longestMatch(underlay, addr)
		}
		m.hops.set(addr, wayTo(addr, f))
	}
	return nil
}

// longestMatch finds the route to addr among those that were not learned over BGP.
func longestMatch(routes []netlink.Route, addr netip.Addr) netlink.Found {
	best := netlink.Route{}
	for _, r := range routes {
		if r.Protocol == own.RouteProtocolBGP || !r.Dst.Contains(addr) {
			continue
		}
		if !best.Dst.IsValid() || r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && r.Metric < best.Metric {
			best = r
		}
	}
	if !best.Dst.IsValid() {
		return netlink.Found{Err: fmt.Errorf("no route to %s but learned ones", addr)}
	}
	return netlink.Found{Route: best}
}

func wayTo(addr netip.Addr, f netlink.Found) resolution {
	switch {
	case f.Err != nil:
		return resolution{err: fmt.Errorf("next hop %s: %w", addr, f.Err)}
	case f.Route.Type == netlink.RouteHost:
		return resolution{err: fmt.Errorf("next hop %s is an address of this node", addr)}
	case f.Route.Type != netlink.RouteUnicast || len(f.Route.NextHops) == 0:
		return resolution{err: fmt.Errorf("next hop %s: its route leads nowhere (%s)", addr, f.Route)}
	}
	hops := slices.Clone(f.Route.NextHops)
	for i := range hops {
		if !hops[i].Gateway.IsValid() {
			hops[i].Gateway = addr
		}
	}
	slices.SortFunc(hops, netlink.NextHop.Compare)
	return resolution{hops: hops}
}
