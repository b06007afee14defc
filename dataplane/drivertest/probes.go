// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/policy/eval"
)

// probe is a packet from a workload, the world or, with host endpoints, a process of the host.
func (g *generator) probe() probe {
	v6 := g.one(2)
	p := probe{from: pick(g, uplink, uplink, dmz), packet: eval.Packet{Src: g.addr(v6), Dst: g.addr(v6)}}
	from := 1 + g.rnd.IntN(Workloads+3)
	switch {
	case from <= Workloads:
		p.from = Workload(from)
		if !g.one(6) {
			p.packet.Src = WorkloadAddr(from, v6)
		}
	case from == Workloads+1 && g.hostEndpoints:
		p.from, p.packet.Src = fromHost, hostAddr(v6)
	}
	switch {
	case g.one(8):
		p.packet.Dst = hostAddr(v6)
	case g.one(8):
		p.packet.Dst = pick(g, serviceAddrs(v6)...)
	}
	if route(translate(p.packet).Dst) == p.from { // back out of where it came from: no router does that unasked
		return g.probe()
	}
	g.transport(&p.packet)
	return p
}

func serviceAddrs(v6 bool) []netip.Addr {
	addrs := slices.SortedFunc(maps.Keys(services), netip.Addr.Compare)
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool { return a.Is6() != v6 })
}

// transport draws protocol and ports. No probe is the reply to another, nor gets its ports changed by NAT to tell it from another: source ports
// are from another range than destination ports, those to a service come once, and without ports only one direction is used.
func (g *generator) transport(p *eval.Packet) {
	_, translated := services[p.Dst]
	p.Protocol = pick[uint8](g, protoTCP, protoUDP, protoSCTP, protoICMP)
	if g.one(5) && cmp.Compare(p.Src.String(), p.Dst.String()) < 0 && !translated {
		p.Protocol = pick[uint8](g, protoOther, protoUDPLite)
	}
	switch p.Protocol {
	case protoICMP:
		p.ICMPType, p.ICMPCode = pick[uint8](g, 8, 13), uint8(g.rnd.IntN(2))
		if p.Src.Is6() {
			p.Protocol, p.ICMPType = protoICMPv6, pick[uint8](g, 128, 139)
		}
	case protoTCP, protoUDP, protoSCTP:
		g.ports++
		p.SrcPort, p.DstPort = 20000+g.ports%40000, pick(g, g.port(), g.port(), g.port()+7)
		if g.one(3) && !translated {
			p.SrcPort = g.srcPort()
		}
	case protoUDPLite:
		p.SrcPort, p.DstPort = 20000, g.port()
	}
}
