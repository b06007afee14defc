// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/desired"
)

// Way is how packets go to another node: through a tunnel device, or plainly where Tunnel is empty, to Via as [desired.Route] and BGP name it.
type Way struct {
	Tunnel string
	Via    netip.Addr
}

// SetMTUs says how large packets may be, in bytes, on the ways that are narrower than their links, in place of what was said before.
func (m *Manager) SetMTUs(ctx context.Context, mtus map[Way]int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("MTUs of routes: %w", err)
	}
	strays, err := m.loadOnce()
	if err != nil {
		return err
	}
	if m.mtus = mtus; mtus == nil {
		m.mtus = map[Way]int{}
	}
	var changed []netip.Prefix
	for dst, r := range m.present {
		if r.MTU != m.mtu(dst) {
			changed = append(changed, dst)
		}
	}
	return m.reconcile(changed, strays)
}

// mtu returns the MTU of the route to dst, 0 for that of its links.
func (m *Manager) mtu(dst netip.Prefix) int {
	if m.mtus == nil {
		return m.present[dst].MTU
	}
	return least(m.mtus, m.ways(dst))
}

// ways returns how packets to dst go.
func (m *Manager) ways(dst netip.Prefix) []Way {
	if r, ok := m.local[dst]; ok && r.Kind == desired.RouteTunnel {
		return []Way{{r.Interface, r.Via}}
	}
	var out []Way
	for _, via := range m.via(dst) {
		out = append(out, Way{Via: via})
	}
	return out
}

// least returns the smallest MTU of the ways, 0 if none is narrow.
func least(mtus map[Way]int, ways []Way) (least int) {
	for _, w := range ways {
		if size := mtus[w]; size > 0 && (least == 0 || size < least) {
			least = size
		}
	}
	return least
}
