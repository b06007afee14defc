// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// Learn takes what changed among the routes learned over BGP: for each prefix its next hops, none meaning withdrawn. complete says
// that everything was heard since the speaker started (bgp.Update.Complete): routes of an earlier run that nobody announced again
// are deleted then, and not before.
//
// A route whose next hops cannot be reached waits for a link or route that leads there; Routes tells why.
func (m *Manager) Learn(ctx context.Context, changes iter.Seq2[netip.Prefix, []netip.Addr], complete bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("learned routes: %w", err)
	}
	var changed []netip.Prefix
	for dst, hops := range changes {
		if len(hops) == 0 {
			delete(m.learned, dst)
		} else {
			m.learned[dst] = hops
		}
		changed = append(changed, dst)
	}
	first := complete && !m.complete
	m.complete = complete
	strays, err := m.loadOnce()
	if err != nil {
		return err
	}
	if err := m.resolveMissing(changed); err != nil {
		return err
	}
	if first {
		changed = slices.AppendSeq(changed, m.leftovers())
	}
	return m.reconcile(changed, strays)
}

// loadOnce reads the kernel if that has not happened. Computed routes are not known then, and left alone.
func (m *Manager) loadOnce() ([]netlink.RouteChange, error) {
	if m.loaded {
		return nil, nil
	}
	strays, _, err := m.load()
	return slices.DeleteFunc(strays, func(c netlink.RouteChange) bool { return c.Route.Protocol != own.RouteProtocolBGP }), err
}

// leftovers yields the learned routes in the kernel that nobody announces.
func (m *Manager) leftovers() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for _, dst := range slices.Collect(maps.Keys(m.present)) {
			if m.present[dst].Protocol == own.RouteProtocolBGP && len(m.learned[dst]) == 0 && !yield(dst) {
				return
			}
		}
	}
}
