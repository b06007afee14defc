// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"net"
	"os"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// watch signals when a device of ours, its entries or the underlay changed.
func (m *Manager) watch() {
	for {
		events, err := m.monitor.Next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			// Events may be missing now: say it, and look at the kernel.
			m.log.Warn("watch tunnels", "error", err)
			m.signal()
			continue
		}
		if m.matter(events) {
			m.signal()
		}
	}
}

// matter tells whether the kernel may hold something else now than we want. Our own changes of forwarding entries come as events too.
func (m *Manager) matter(events []netlink.Event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		if e.Kind == netlink.EventLost || e.Kind == netlink.EventRule && e.Protocol == own.RouteProtocol {
			return true
		}
		for _, d := range m.devices {
			if d.contradicts(e) {
				return true
			}
		}
	}
	return false
}

// contradicts tells whether an event says something else than we want.
func (d *device) contradicts(e netlink.Event) bool {
	switch {
	case e.Kind == netlink.EventLink:
		return e.Link.Index == d.index || e.Link.Index == d.underlay
	case e.Link.Index != d.index:
		return false
	case e.Kind == netlink.EventAddr:
		return e.Deleted == (e.Addr == desired.HostPrefix(d.want.Addr))
	}
	return d.wants(e.Neighbour) == e.Deleted
}

// wants tells whether an entry is a peer's.
func (d *device) wants(n netlink.NeighbourEvent) bool {
	if !n.Remote.IsValid() {
		_, ok := d.addrs[n.Addr]
		return ok
	}
	p, ok := d.peers[d.macs[macOf(n.MAC)]]
	return ok && p.Remote == n.Remote
}

func macOf(a net.HardwareAddr) (m desired.MAC) {
	copy(m[:], a)
	return m
}
