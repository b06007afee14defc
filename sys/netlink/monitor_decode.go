// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// decodeEvent turns a notification into an event; ok is false for what nobody needs.
func decodeEvent(m message) (ev Event, ok bool, err error) {
	switch m.kind {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		var r rawRoute
		r, ok, err = decodeRoute(m.body)
		ok = ok && !r.cloned && r.table == unix.RT_TABLE_MAIN
		return Event{Kind: EventRoute, Deleted: m.kind == unix.RTM_DELROUTE, Route: r.Route}, ok, err
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		// Bridges announce their ports in messages of family AF_BRIDGE, among them RTM_DELLINK for a link that lives on.
		if len(m.body) > 0 && m.body[0] != unix.AF_UNSPEC {
			return Event{}, false, nil
		}
		link, err := decodeLink(m.body)
		return Event{Kind: EventLink, Deleted: m.kind == unix.RTM_DELLINK, Link: link}, err == nil, err
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		ev, err := decodeAddr(m.body)
		ev.Deleted = m.kind == unix.RTM_DELADDR
		return ev, err == nil, err
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		n, err := decodeNeighbour(m.body)
		ev := Event{Kind: EventNeighbour, Deleted: m.kind == unix.RTM_DELNEIGH, Link: LinkState{Index: n.link}, Neighbour: NeighbourEvent{MAC: n.mac, Addr: n.dst}}
		if n.family == unix.AF_BRIDGE {
			ev.Neighbour = NeighbourEvent{MAC: n.mac, Remote: n.dst}
		}
		return ev, err == nil, err
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		r, ok, err := decodeRule(m.body)
		return Event{Kind: EventRule, Deleted: m.kind == unix.RTM_DELRULE, Protocol: r.Protocol}, ok, err
	}
	return Event{}, false, nil
}

func decodeLink(body []byte) (LinkState, error) {
	if len(body) < unix.SizeofIfInfomsg {
		return LinkState{}, errTruncated
	}
	state := LinkState{Index: int(native.Uint32(body[4:])), Up: native.Uint32(body[8:])&unix.IFF_UP != 0}
	err := attributes(body[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) error {
		if kind == unix.IFLA_IFNAME {
			state.Name = unix.ByteSliceToString(value)
		}
		return nil
	})
	return state, err
}

func decodeAddr(body []byte) (Event, error) {
	if len(body) < unix.SizeofIfAddrmsg {
		return Event{}, errTruncated
	}
	ev := Event{Kind: EventAddr, Link: LinkState{Index: int(native.Uint32(body[4:]))}}
	err := attributes(body[unix.SizeofIfAddrmsg:], func(kind uint16, value []byte) error {
		// IFA_LOCAL is the own address where a point-to-point link has another one in IFA_ADDRESS; IPv6 may have the latter alone.
		if kind != unix.IFA_LOCAL && (kind != unix.IFA_ADDRESS || ev.Addr.IsValid()) {
			return nil
		}
		addr, err := addrOf(value)
		ev.Addr = netip.PrefixFrom(addr, int(body[1]))
		return err
	})
	return ev, err
}
