// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
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
			if m.addrMatters(ev) {
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

// linkMatters compares with the state that the routes were made with, so that events we already know of cost nothing. Where it differs the
// routes are looked at: a link that was just made may be told of as down when it is up for long, and one that goes is told of after its routes.
func (m *Manager) linkMatters(ev netlink.Event) bool {
	for _, known := range m.links {
		switch {
		case known.Name == ev.Link.Name && (ev.Deleted || known != ev.Link):
			return !m.inForce(known)
		case known.Name == ev.Link.Name || known.Index == ev.Link.Index:
			return known != ev.Link // renamed
		}
	}
	gone := ev.Deleted || !ev.Link.Up
	return !ev.Deleted && m.wants(ev.Link.Name) || gone && m.hopsOver(ev.Link.Index)
}

// inForce asks the kernel whether it has all our routes over a link as they were made, and forgets a link that has none.
func (m *Manager) inForce(link netlink.LinkState) bool {
	var addrs []netip.Addr
	for dst, r := range m.local {
		switch {
		case r.Interface != link.Name || !throughLink(r):
		case r.Kind != desired.RouteLocal:
			return false // a lookup says nothing of a whole prefix
		default:
			addrs = append(addrs, dst.Addr())
		}
	}
	if m.hopsOver(link.Index) {
		return false
	}
	if len(addrs) == 0 {
		delete(m.links, link.Name)
		return true
	}
	found, err := m.kernel.Lookup(addrs)
	return err == nil && !slices.ContainsFunc(found, func(f netlink.Found) bool { return !leads(f, link.Index) })
}

// leads says whether what was found is our route of a workload over the link.
func leads(f netlink.Found, link int) bool {
	return f.Err == nil && f.Route.Dst.IsSingleIP() && f.Route.Protocol == own.RouteProtocol && slices.Equal(f.Route.NextHops, []netlink.NextHop{{Link: link}})
}

// hopsOver says whether a next hop is reached over the link.
func (m *Manager) hopsOver(index int) bool {
	for _, r := range m.hops.ways {
		if usesLink(r.hops, index) {
			return true
		}
	}
	return false
}

// addrMatters: the IPv4 routes of a link that loses its last address go without a word; a new address has its own route event.
func (m *Manager) addrMatters(ev netlink.Event) bool {
	if !ev.Deleted {
		return false
	}
	for _, link := range m.links {
		if link.Index == ev.Link.Index {
			return !m.inForce(link)
		}
	}
	return m.hopsOver(ev.Link.Index)
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
