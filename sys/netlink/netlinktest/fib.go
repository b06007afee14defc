// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package netlinktest has a kernel for tests: a FIB answers like netlink.RouteConn and, through Monitor, like netlink.Monitor; its
// other methods are what happens to a machine.
//
// It keeps the habits that hurt: routes of a link that goes down vanish without an event, a replace does not look at the protocol,
// and an add fails whoever has the place.
package netlinktest

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netlink"
)

// place is where one route can be.
type place struct {
	dst    netip.Prefix
	metric uint32
}

// FIB is a routing table with links. The zero value is not usable: call New.
type FIB struct {
	mu     sync.Mutex
	routes map[place]netlink.Route
	links  map[string]netlink.LinkState
	addrs  map[int][]netip.Prefix
	last   int // index of the newest link
	// broken, when set, is what every call returns.
	broken  error
	monitor *Monitor
}

// New returns an empty table and its monitor.
func New() (*FIB, *Monitor) {
	m := newMonitor()
	return &FIB{
		routes: map[place]netlink.Route{}, links: map[string]netlink.LinkState{}, addrs: map[int][]netip.Prefix{}, monitor: m,
	}, m
}

// Close does nothing.
func (*FIB) Close() error { return nil }

// Break makes every call fail with err, as when replies are lost; nil mends it.
func (f *FIB) Break(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

// List is netlink.RouteConn.List.
func (f *FIB) List(protocol uint8) ([]netlink.Route, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []netlink.Route
	for _, r := range f.routes {
		if protocol == 0 || r.Protocol == protocol {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b netlink.Route) int { return cmp.Or(a.Dst.Compare(b.Dst), cmp.Compare(a.Metric, b.Metric)) })
	return list, f.broken
}

// Change is netlink.RouteConn.Change.
func (f *FIB) Change(changes []netlink.RouteChange) (map[int]error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := map[int]error{}
	if f.broken != nil {
		return failed, f.broken
	}
	for i, c := range changes {
		if err := f.apply(c); err != nil {
			failed[i] = fmt.Errorf("%s: %w", c, err)
		}
	}
	return failed, nil
}

func (f *FIB) apply(c netlink.RouteChange) error {
	at := place{c.Route.Dst, c.Route.Metric}
	present, taken := f.routes[at]
	switch {
	case c.Op == netlink.RouteDelete:
		if !taken || present.Protocol != c.Route.Protocol {
			return fs.ErrNotExist
		}
		delete(f.routes, at)
		return nil
	case c.Op == netlink.RouteAdd && taken:
		return fs.ErrExist
	case !f.usable(c.Route):
		return fs.ErrNotExist
	}
	f.routes[at] = c.Route
	return nil
}

// usable says whether all links of the route exist and are up.
func (f *FIB) usable(r netlink.Route) bool {
	for _, hop := range r.NextHops {
		if !f.up(hop.Link) {
			return false
		}
	}
	return true
}

func (f *FIB) up(index int) bool {
	for _, l := range f.links {
		if l.Index == index {
			return l.Up
		}
	}
	return false
}

// Lookup is netlink.RouteConn.Lookup: the longest match, among those the smallest metric.
func (f *FIB) Lookup(addrs []netip.Addr) ([]netlink.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := make([]netlink.Found, len(addrs))
	for i, addr := range addrs {
		found[i] = f.lookup(addr)
	}
	return found, f.broken
}

func (f *FIB) lookup(addr netip.Addr) netlink.Found {
	for index, addrs := range f.addrs {
		if slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr() == addr }) {
			hops := []netlink.NextHop{{Link: index}}
			return netlink.Found{Route: netlink.Route{Dst: netip.PrefixFrom(addr, addr.BitLen()), Type: netlink.RouteHost, NextHops: hops}}
		}
	}
	best, ok := netlink.Route{}, false
	for _, r := range f.routes {
		longer := !ok || r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && r.Metric < best.Metric
		if r.Dst.Contains(addr) && longer {
			best, ok = r, true
		}
	}
	switch {
	case !ok:
		return netlink.Found{Err: fmt.Errorf("no route to %s: %w", addr, unix.ENETUNREACH)}
	case best.Type == netlink.RouteBlackhole:
		return netlink.Found{Err: fmt.Errorf("route to %s: %w", addr, unix.EINVAL)}
	}
	return netlink.Found{Route: best}
}

// LinkStates is netlink.RouteConn.LinkStates.
func (f *FIB) LinkStates(names []string) (map[string]netlink.LinkState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := map[string]netlink.LinkState{}
	for _, name := range names {
		if l, ok := f.links[name]; ok {
			states[name] = l
		}
	}
	return states, f.broken
}
