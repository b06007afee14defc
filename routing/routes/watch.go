// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"net/netip"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// matter says whether any of the events contradicts what our routes were made from. Our own changes never get here.
func (m *Manager) matter(events []netlink.Event) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ev := range events {
		switch ev.Kind {
		case netlink.EventLost:
			return true
		case netlink.EventRoute:
			if m.routeMatters(ev) {
				return true
			}
		case netlink.EventLink:
			if m.linkMatters(ev) {
				return true
			}
		case netlink.EventAddr:
			// The IPv4 routes of a link that loses its last address go without a word; a new address has its own route event.
			if ev.Deleted && m.leadsOver(ev.Link.Index) {
				return true
			}
		}
	}
	return false
}

func (m *Manager) routeMatters(ev netlink.Event) bool {
	dst := ev.Route.Dst
	if ev.Route.Protocol == own.RouteProtocol || ev.Route.Protocol == own.RouteProtocolBGP {
		return true
	}
	// Another program's route in the place of ours, or out of it.
	if _, ok := m.local[dst]; ok {
		return true
	}
	if _, ok := m.learned[dst]; ok {
		return true
	}
	return len(m.hops.within(dst)) > 0
}

// linkMatters compares with the state that the routes were made with, so that events we already know of cost nothing.
func (m *Manager) linkMatters(ev netlink.Event) bool {
	for _, known := range m.links {
		if known.Name == ev.Link.Name || known.Index == ev.Link.Index {
			return known != ev.Link || ev.Deleted
		}
	}
	gone := ev.Deleted || !ev.Link.Up
	return !ev.Deleted && m.wants(ev.Link.Name) || gone && m.leadsOver(ev.Link.Index)
}

// leadsOver says whether a route of ours uses the link.
func (m *Manager) leadsOver(index int) bool {
	for _, r := range m.hops.ways {
		if usesLink(r.hops, index) {
			return true
		}
	}
	for _, link := range m.links {
		if link.Index == index {
			return true
		}
	}
	return false
}

func usesLink(hops []netlink.NextHop, index int) bool {
	for _, h := range hops {
		if h.Link == index {
			return true
		}
	}
	return false
}

// hostPrefix is the prefix that holds a alone.
func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
