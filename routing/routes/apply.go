// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// Report is the result of one Apply.
type Report struct {
	// Programmed lists endpoints whose routes were read back from the kernel in this call.
	Programmed []desired.EndpointID
	// Failed lists endpoints without a working route to each address, with the reason. One whose interface does not exist yet is
	// tried again when the link appears: Events is signalled then.
	Failed map[desired.EndpointID]error
	// Repaired counts our routes that somebody else had changed or deleted.
	Repaired int
}

// Apply brings the kernel to view. A delta limits the work to what changed; nil means compare with what the kernel really holds,
// repair, prune what is no longer wanted, and report on every endpoint.
func (m *Manager) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("kernel routes: %w", err)
	}
	if delta == nil || !m.viewed || !m.loaded {
		return m.applyAll(view)
	}
	changed := make([]netip.Prefix, 0, len(delta.Routes)+len(delta.RoutesRemoved))
	for _, r := range delta.Routes {
		m.local[r.Dst] = r
		changed = append(changed, r.Dst)
	}
	for _, dst := range delta.RoutesRemoved {
		delete(m.local, dst)
		changed = append(changed, dst)
	}
	if err := m.refreshLinks(changed); err != nil {
		return Report{}, err
	}
	if err := m.resolveMissing(changed); err != nil {
		return Report{}, err
	}
	if err := m.reconcile(changed, nil); err != nil {
		return Report{}, err
	}
	report := Report{}
	return report, m.verify(&report, endpointsOf(view, delta))
}

// endpointsOf returns the endpoints that a delta is about: those in it, and those whose routes are.
func endpointsOf(view desired.View, delta *desired.Delta) []*desired.Endpoint {
	endpoints := slices.Clone(delta.Endpoints)
	var routed map[string]bool // most often none
	for _, r := range delta.Routes {
		if r.Kind == desired.RouteLocal {
			if routed == nil {
				routed = map[string]bool{}
			}
			routed[r.Interface] = true
		}
	}
	for _, e := range delta.Endpoints {
		delete(routed, e.Interface)
	}
	if len(routed) == 0 {
		return endpoints
	}
	for e := range view.Endpoints() {
		if routed[e.Interface] {
			endpoints = append(endpoints, e)
		}
	}
	return endpoints
}

func (m *Manager) applyAll(view desired.View) (Report, error) {
	clear(m.local)
	for r := range view.Routes() {
		m.local[r.Dst] = r
	}
	m.viewed = true
	// Facts first, routes last: what changes in between is an event that contradicts the facts, and brings us back here.
	clear(m.links)
	if err := m.refreshLinks(slices.Collect(maps.Keys(m.local))); err != nil {
		return Report{}, err
	}
	if err := m.resolveAll(); err != nil {
		return Report{}, err
	}
	strays, repaired, err := m.load()
	if err != nil {
		return Report{}, err
	}
	all := maps.Clone(m.present)
	for dst := range m.local {
		all[dst] = netlink.Route{}
	}
	for dst := range m.learned {
		all[dst] = netlink.Route{}
	}
	if err := m.reconcile(slices.Collect(maps.Keys(all)), strays); err != nil {
		return Report{}, err
	}
	report := Report{Repaired: repaired}
	return report, m.verify(&report, slices.Collect(view.Endpoints()))
}

// load reads our routes from the kernel. Strays are routes with our mark that this version would not make: another metric, a
// duplicate. repaired counts what differs from what we left there.
func (m *Manager) load() (strays []netlink.RouteChange, repaired int, err error) {
	before, known := m.present, m.loaded
	m.present = make(map[netip.Prefix]netlink.Route, len(before))
	for _, protocol := range []uint8{own.RouteProtocol, own.RouteProtocolBGP} {
		routes, err := m.kernel.List(protocol)
		if err != nil {
			return nil, 0, m.broken(err)
		}
		for _, r := range routes {
			_, twice := m.present[r.Dst]
			switch {
			case !twice && r.Metric == Metric(r.Dst):
				m.present[r.Dst] = r
			case protocol == own.RouteProtocol || m.complete:
				strays = append(strays, netlink.RouteChange{Op: netlink.RouteDelete, Route: r})
			}
		}
	}
	m.loaded = true
	if known {
		repaired = differences(before, m.present)
	}
	return strays, repaired + len(strays), nil
}

func differences(a, b map[netip.Prefix]netlink.Route) (n int) {
	for dst, r := range a {
		if other, ok := b[dst]; !ok || !other.Equal(r) {
			n++
		}
	}
	for dst := range b {
		if _, ok := a[dst]; !ok {
			n++
		}
	}
	return n
}

// Inherited says whether the kernel holds routes of an earlier run, by which this node goes on forwarding: tell the speaker
// (bgp.Options.Restarting). Ask before the first Apply.
func (m *Manager) Inherited() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, protocol := range []uint8{own.RouteProtocol, own.RouteProtocolBGP} {
		routes, err := m.kernel.List(protocol)
		if err != nil {
			return false, m.broken(err)
		}
		if len(routes) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// Remove deletes every route of ours, learned ones too. The next Apply starts afresh.
func (m *Manager) Remove(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("kernel routes: %w", err)
	}
	clear(m.local)
	clear(m.learned)
	m.complete, m.viewed = true, true
	strays, _, err := m.load()
	if err != nil {
		return err
	}
	err = m.reconcile(slices.Collect(maps.Keys(m.present)), strays)
	m.complete, m.viewed, m.loaded = false, false, false
	return err
}
