// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/conntrack"
)

// lead is what leads to a workload by translation: a floating IP, or a port of the host.
type lead struct {
	protocol uint8      // 0: floating IP
	addr     netip.Addr // zero: all addresses of the host
	ipv6     bool
	port     uint16
}

// leads returns what leads to an endpoint, and where; that of a floating IP has port 0.
func leads(e *desired.Endpoint) map[lead]netip.AddrPort {
	out := map[lead]netip.AddrPort{}
	if e == nil {
		return out
	}
	for _, f := range e.FloatingIPs {
		out[lead{addr: f.External, ipv6: f.External.Is6()}] = netip.AddrPortFrom(f.Internal, 0)
	}
	for _, p := range e.HostPorts {
		out[lead{p.Protocol, p.Host, p.To.Addr().Is6(), p.Port}] = p.To
	}
	return out
}

// lead replaces what leads to an endpoint, of which either version may be nil, and returns what has come, gone or changed, with where that led before; the zero
// value is nowhere.
func (l *locals) lead(before, now *desired.Endpoint) map[lead]netip.AddrPort {
	was, is := leads(before), leads(now)
	moved := map[lead]netip.AddrPort{}
	for k, to := range was {
		if is[k] == to {
			continue
		}
		moved[k] = to
		if l.leads[k] == to { // else another endpoint has it already
			delete(l.leads, k)
		}
	}
	for k, to := range is {
		if was[k] != to {
			moved[k] = was[k]
			l.leads[k] = to
		}
	}
	return moved
}

// moved adds what led elsewhere before.
func (s *scope) moved(leads map[lead]netip.AddrPort) {
	for k, to := range leads {
		if s.leads[k] == nil {
			s.leads[k] = map[netip.AddrPort]struct{}{}
		}
		s.leads[k][to] = struct{}{}
	}
}

// asked lists what may have led a connection to where it goes, in the order in which a data plane looks. host tells whether it has asked for an address of
// the node.
func asked(f *conntrack.Flow, host bool) []lead {
	o := &f.Orig
	ipv6 := o.Dst.Is6()
	out := []lead{{addr: o.Dst, ipv6: ipv6}, {o.Protocol, o.Dst, ipv6, o.DstPort}}
	if host && !o.Dst.IsLoopback() {
		out = append(out, lead{protocol: o.Protocol, ipv6: ipv6, port: o.DstPort})
	}
	return out
}

// led tells whether a connection has asked for something that has moved.
func (s *scope) led(f *conntrack.Flow) bool {
	if len(s.leads) == 0 {
		return false
	}
	for _, k := range asked(f, true) {
		if s.leads[k] != nil {
			return true
		}
	}
	return false
}

// astray picks the connections that go on to where something led before. They have to be forgotten: the kernel looks up where to only once, so one whose
// packets keep coming would never get to the workload that is meant now.
func (r *Reviewer) astray(due *scope, flows []conntrack.Flow) (out []conntrack.Flow, err error) {
	var addrs []netip.Addr
	for i := range flows {
		addrs = append(addrs, flows[i].Orig.Dst)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	links, err := r.config.Links(addrs)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range flows {
		at, _ := slices.BinarySearchFunc(addrs, flows[i].Orig.Dst, netip.Addr.Compare)
		if r.locals.astray(due, &flows[i], links[at] == "") {
			out = append(out, flows[i])
		}
	}
	return out, nil
}

// astray tells whether a connection goes where nothing leads it any more. host tells whether it has asked for an address of the node.
func (l *locals) astray(due *scope, f *conntrack.Flow, host bool) bool {
	goes := netip.AddrPortFrom(f.Reply.Src, f.Reply.SrcPort)
	translated := goes != netip.AddrPortFrom(f.Orig.Dst, f.Orig.DstPort)
	for _, k := range asked(f, host) {
		if to, ok := l.leads[k]; ok {
			return goes != arrival(to, f) && (translated || !remembered(f.Orig.Protocol))
		}
	}
	for _, k := range asked(f, host) {
		for to := range due.leads[k] {
			if translated && goes == arrival(to, f) {
				return true
			}
		}
	}
	return false
}

// arrival is where a connection comes that is led to an address: a floating IP leaves the port as it is.
func arrival(to netip.AddrPort, f *conntrack.Flow) netip.AddrPort {
	if to.Port() == 0 {
		return netip.AddrPortFrom(to.Addr(), f.Orig.DstPort)
	}
	return to
}

// remembered tells whether both ends of a protocol know of a connection, so that one with a process of the host ends by itself. Of other protocols packets
// may come for ever.
func remembered(protocol uint8) bool {
	const tcp, sctp = 6, 132
	return protocol == tcp || protocol == sctp
}
