// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// rawRoute is a route with the parts of its message that only this package looks at.
type rawRoute struct {
	Route
	table  uint32
	src    netip.Addr // RTA_PREFSRC
	cloned bool       // an entry of the IPv6 route cache
}

// decodeRoute decodes the body of RTM_NEWROUTE and RTM_DELROUTE. ok is false for families other than IPv4 and IPv6.
func decodeRoute(body []byte) (r rawRoute, ok bool, err error) {
	if len(body) < unix.SizeofRtMsg {
		return rawRoute{}, false, errTruncated
	}
	dst := netip.IPv4Unspecified()
	switch body[0] {
	case unix.AF_INET:
	case unix.AF_INET6:
		dst = netip.IPv6Unspecified()
	default:
		return rawRoute{}, false, nil
	}
	r.table, r.Protocol, r.Type = uint32(body[4]), body[5], RouteType(body[7])
	r.cloned = native.Uint32(body[8:])&unix.RTM_F_CLONED != 0
	single := NextHop{OnLink: native.Uint32(body[8:])&unix.RTNH_F_ONLINK != 0}
	err = attributes(body[unix.SizeofRtMsg:], func(kind uint16, value []byte) (err error) {
		switch kind {
		case unix.RTA_DST:
			dst, err = addrOf(value)
		case unix.RTA_TABLE:
			r.table, err = uint32Of(value)
		case unix.RTA_PREFSRC:
			r.src, err = addrOf(value)
		case unix.RTA_PRIORITY:
			r.Metric, err = uint32Of(value)
		case unix.RTA_METRICS:
			r.MTU, err = decodeMTU(value)
		case unix.RTA_MULTIPATH:
			r.NextHops, err = decodeMultipath(value)
		default:
			err = single.decode(kind, value)
		}
		return err
	})
	if err != nil {
		return rawRoute{}, false, err
	}
	if r.Dst, err = dst.Prefix(int(body[1])); err != nil {
		return rawRoute{}, false, errTruncated
	}
	// The kernel names the loopback as the link of an IPv6 blackhole; it means nothing.
	if r.Type != RouteBlackhole && len(r.NextHops) == 0 && single.Link != 0 {
		r.NextHops = []NextHop{single}
	}
	return r, true, nil
}

// decodeMTU finds the MTU among the metrics.
func decodeMTU(metrics []byte) (mtu int, err error) {
	err = attributes(metrics, func(kind uint16, value []byte) error {
		if kind != rtaxMTU {
			return nil
		}
		n, err := uint32Of(value)
		mtu = int(n)
		return err
	})
	return mtu, err
}

func decodeMultipath(b []byte) ([]NextHop, error) {
	var hops []NextHop
	for len(b) > 0 {
		if len(b) < unix.SizeofRtNexthop {
			return nil, errTruncated
		}
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return nil, errTruncated
		}
		hop := NextHop{Link: int(native.Uint32(b[4:])), OnLink: b[2]&unix.RTNH_F_ONLINK != 0}
		if err := attributes(b[unix.SizeofRtNexthop:size], hop.decode); err != nil {
			return nil, err
		}
		hops = append(hops, hop)
		b = b[min(align(size), len(b)):]
	}
	slices.SortFunc(hops, NextHop.Compare)
	return hops, nil
}

// decode takes the attributes that describe a next hop.
func (n *NextHop) decode(kind uint16, value []byte) (err error) {
	switch kind {
	case unix.RTA_OIF:
		var link uint32
		link, err = uint32Of(value)
		n.Link = int(link)
	case unix.RTA_GATEWAY:
		n.Gateway, err = addrOf(value)
	case unix.RTA_VIA:
		if len(value) < 2 {
			return errTruncated
		}
		n.Gateway, err = addrOf(value[2:])
	}
	return err
}
