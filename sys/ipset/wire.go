// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Commands and attributes (linux/netfilter/ipset/ip_set.h).
const (
	cmdProtocol = 1
	cmdCreate   = 2
	cmdDestroy  = 3
	cmdSwap     = 6
	cmdList     = 7
	cmdAdd      = 9
	cmdDel      = 10

	protocol = 6

	attrProtocol = 1
	attrName     = 2
	attrType     = 3 // of swap: the other name
	attrRevision = 4
	attrFamily   = 5
	attrFlags    = 6
	attrData     = 7
	attrElements = 8
	attrLine     = 9

	dataIP       = 1
	dataCIDR     = 3
	dataPort     = 4
	dataProtocol = 7
	dataHashSize = 18
	dataMaxElem  = 19
	dataCount    = 24
	dataRefs     = 25
	dataIface    = 23 // in elements

	addrIPv4 = 1
	addrIPv6 = 2

	flagListHeader = 1 << 2

	nested    = unix.NLA_F_NESTED
	byteorder = unix.NLA_F_NET_BYTEORDER
)

// request is the buffer that messages to the subsystem are appended to.
type request struct{ nfnetlink.Attrs }

// message appends a message, the attributes of which body appends.
func (r *request) message(cmd uint8, flags uint16, seq uint32, body func()) {
	at := r.Begin(nfnetlink.Header{Kind: unix.NFNL_SUBSYS_IPSET<<8 | uint16(cmd), Flags: flags, Seq: seq, Family: unix.AF_INET})
	r.Uint8(attrProtocol, protocol)
	body()
	r.End(at)
}

// element appends one element.
func (r *request) element(s Set, e Element) {
	data := r.Open(attrData | nested)
	ip := r.Open(dataIP | nested)
	kind := uint16(addrIPv4)
	if s.IPv6 {
		kind = addrIPv6
	}
	r.Addr(kind|byteorder, e.Prefix.Addr())
	r.Close(ip)
	if s.Kind != Port {
		r.Uint8(dataCIDR, uint8(e.Prefix.Bits()))
	}
	switch s.Kind {
	case Port:
		r.Uint8(dataProtocol, e.Protocol)
		r.Uint16(dataPort|byteorder, e.Port)
	case NetIface:
		r.String(dataIface, e.Interface)
	}
	r.Close(data)
}

// decodeElement reads the inside of a data attribute.
func decodeElement(b []byte) Element {
	var e Element
	var addr netip.Addr
	bits := -1
	for typ, v := range nfnetlink.Each(b) {
		switch {
		case typ == dataIP:
			for _, raw := range nfnetlink.Each(v) {
				addr, _ = netip.AddrFromSlice(raw)
			}
		case typ == dataCIDR && len(v) > 0:
			bits = int(v[0])
		case typ == dataProtocol && len(v) > 0:
			e.Protocol = v[0]
		case typ == dataPort && len(v) >= 2:
			e.Port = nfnetlink.Uint16(v)
		case typ == dataIface:
			e.Interface = nfnetlink.String(v)
		}
	}
	if bits < 0 {
		bits = addr.BitLen()
	}
	e.Prefix = netip.PrefixFrom(addr, bits)
	return e
}
