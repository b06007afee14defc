// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Messages and attributes of linux/netfilter/nfnetlink_conntrack.h.
const (
	msgNew    = 0
	msgGet    = 1
	msgDelete = 2
	msgStats  = 5 // IPCTNL_MSG_CT_GET_STATS

	attrStatsEntries = 1

	attrTupleOrig   = 1
	attrTupleReply  = 2
	attrProtoInfo   = 4
	attrMark        = 8
	attrID          = 12
	attrTupleMaster = 14
	attrZone        = 18
	attrMarkMask    = 21
	attrFilter      = 25

	attrTupleIP    = 1
	attrTupleProto = 2

	attrIPv4Src = 1
	attrIPv4Dst = 2
	attrIPv6Src = 3
	attrIPv6Dst = 4

	attrProtoNum   = 1
	attrSrcPort    = 2
	attrDstPort    = 3
	attrICMPID     = 4
	attrICMPType   = 5
	attrICMPCode   = 6
	attrICMPv6ID   = 7
	attrICMPv6Type = 8
	attrICMPv6Code = 9

	attrInfoTCP       = 1
	attrTCPFlagsOrig  = 4
	attrTCPFlagsReply = 5
	// tcpLiberal is set on both directions of what is taken up midway (IP_CT_TCP_FLAG_BE_LIBERAL in tcp_new of nf_conntrack_proto_tcp.c).
	tcpLiberal = 8

	attrFilterOrig  = 1
	attrFilterReply = 2
	// filterSrc says that a dump compares the source address of a tuple (CTA_FILTER_F_CTA_IP_SRC of nf_conntrack_netlink.c).
	filterSrc = 1
)

// encode asks the kernel for no more than the filter selects. Of IPv6 it is asked for all: its comparison is inverted there
// (ctnetlink_filter_match_tuple, seen up to Linux 6.18), and hands over just those that were not meant.
func (f Filter) encode() (family uint8, body nfnetlink.Attrs) {
	switch {
	case f.From.Is6() || f.To.Is6() || f.IPVersion == 6:
		return unix.AF_INET6, nil
	case f.From.Is4() || f.To.Is4():
	case f.IPVersion == 4:
		return unix.AF_INET, nil
	default:
		return unix.AF_UNSPEC, nil
	}
	for _, side := range []struct {
		addr  netip.Addr
		tuple uint16
	}{{f.From, attrTupleOrig}, {f.To, attrTupleReply}} {
		if side.addr.Is4() {
			body.Nest(side.tuple, func(a *nfnetlink.Attrs) {
				a.Nest(attrTupleIP, func(a *nfnetlink.Attrs) { a.Addr(attrIPv4Src, side.addr) })
			})
		}
	}
	body.Nest(attrFilter, func(a *nfnetlink.Attrs) {
		a.HostUint32(attrFilterOrig, flagIf(f.From.Is4()))
		a.HostUint32(attrFilterReply, flagIf(f.To.Is4()))
	})
	return unix.AF_INET, body
}

func flagIf(wanted bool) uint32 {
	if wanted {
		return filterSrc
	}
	return 0
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// identify names one flow.
func identify(flow *Flow) nfnetlink.Attrs {
	var body nfnetlink.Attrs
	body.Nest(attrTupleOrig, func(a *nfnetlink.Attrs) { appendTuple(a, &flow.Orig) })
	if flow.Zone != 0 {
		body.Uint16(attrZone, flow.Zone)
	}
	return body
}

func appendTuple(a *nfnetlink.Attrs, t *Tuple) {
	a.Nest(attrTupleIP, func(a *nfnetlink.Attrs) {
		if t.Src.Is4() {
			a.Addr(attrIPv4Src, t.Src)
			a.Addr(attrIPv4Dst, t.Dst)
			return
		}
		a.Addr(attrIPv6Src, t.Src)
		a.Addr(attrIPv6Dst, t.Dst)
	})
	a.Nest(attrTupleProto, func(a *nfnetlink.Attrs) {
		a.Uint8(attrProtoNum, t.Protocol)
		switch t.Protocol {
		case unix.IPPROTO_ICMP:
			a.Uint16(attrICMPID, t.ICMPID)
			a.Uint8(attrICMPType, t.ICMPType)
			a.Uint8(attrICMPCode, t.ICMPCode)
		case unix.IPPROTO_ICMPV6:
			a.Uint16(attrICMPv6ID, t.ICMPID)
			a.Uint8(attrICMPv6Type, t.ICMPType)
			a.Uint8(attrICMPv6Code, t.ICMPCode)
		case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, unix.IPPROTO_UDPLITE, unix.IPPROTO_DCCP:
			a.Uint16(attrSrcPort, t.SrcPort)
			a.Uint16(attrDstPort, t.DstPort)
		}
	})
}

func decode(attrs []byte) Flow {
	var f Flow
	for kind, v := range nfnetlink.Each(attrs) {
		switch kind {
		case attrTupleOrig:
			f.Orig = decodeTuple(v)
		case attrTupleReply:
			f.Reply = decodeTuple(v)
		case attrTupleMaster:
			f.Master = decodeTuple(v)
		case attrZone:
			f.Zone = nfnetlink.Uint16(v)
		case attrMark:
			f.Mark = nfnetlink.Uint32(v)
		case attrID:
			f.ID = nfnetlink.Uint32(v)
		case attrProtoInfo:
			tcp := nfnetlink.Attr(v, attrInfoTCP)
			f.Midway = liberal(nfnetlink.Attr(tcp, attrTCPFlagsOrig)) && liberal(nfnetlink.Attr(tcp, attrTCPFlagsReply))
		}
	}
	return f
}

// liberal reads struct nf_ct_tcp_flags: flags, mask.
func liberal(flags []byte) bool { return len(flags) > 0 && flags[0]&tcpLiberal != 0 }

func decodeTuple(attrs []byte) Tuple {
	var t Tuple
	for kind, v := range nfnetlink.Each(nfnetlink.Attr(attrs, attrTupleIP)) {
		switch kind {
		case attrIPv4Src, attrIPv6Src:
			t.Src = nfnetlink.Addr(v)
		case attrIPv4Dst, attrIPv6Dst:
			t.Dst = nfnetlink.Addr(v)
		}
	}
	for kind, v := range nfnetlink.Each(nfnetlink.Attr(attrs, attrTupleProto)) {
		switch kind {
		case attrProtoNum:
			t.Protocol = nfnetlink.Uint8(v)
		case attrSrcPort:
			t.SrcPort = nfnetlink.Uint16(v)
		case attrDstPort:
			t.DstPort = nfnetlink.Uint16(v)
		case attrICMPID, attrICMPv6ID:
			t.ICMPID = nfnetlink.Uint16(v)
		case attrICMPType, attrICMPv6Type:
			t.ICMPType = nfnetlink.Uint8(v)
		case attrICMPCode, attrICMPv6Code:
			t.ICMPCode = nfnetlink.Uint8(v)
		}
	}
	return t
}
