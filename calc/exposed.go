// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// exposed knows which local endpoints claim floating addresses and ports of the host.
type exposed struct {
	floating bool // floating addresses are in use
	floats   claims[netip.Addr]
	ports    claims[portClaim]
}

func newExposed() exposed {
	return exposed{floats: claims[netip.Addr]{}, ports: claims[portClaim]{}}
}

// portClaim is a port of the host: of one address, or of all of a family.
type portClaim struct {
	protocol uint8
	host     netip.Addr
	ipv6     bool
	port     uint16
}

func claimOf(p desired.HostPort) portClaim {
	return portClaim{p.Protocol, p.Host, p.To.Addr().Is6(), p.Port}
}

// readFloating reads the floating addresses of an endpoint: sorted, each external one once.
func readFloating(wrong *faults, list []v3.IPNAT) []desired.FloatingIP {
	var out []desired.FloatingIP
	for i, nat := range list {
		external, err := v3.ParseIP(nat.ExternalIP)
		wrong.add(fmt.Sprintf("spec.ipNATs[%d].externalIP", i), err)
		internal, err := v3.ParseIP(nat.InternalIP)
		wrong.add(fmt.Sprintf("spec.ipNATs[%d].internalIP", i), err)
		out = append(out, desired.FloatingIP{External: external, Internal: internal})
	}
	slices.SortStableFunc(out, func(a, b desired.FloatingIP) int { return a.External.Compare(b.External) })
	return slices.CompactFunc(out, func(a, b desired.FloatingIP) bool { return a.External == b.External })
}

// readHostPorts reads the ports of the host that lead to an endpoint with these addresses, the first of each family: sorted, each once.
func readHostPorts(wrong *faults, list []v3.WorkloadEndpointPort, nets []netip.Prefix) []desired.HostPort {
	var out []desired.HostPort
	for i, p := range list {
		if p.HostPort == nil || *p.HostPort == 0 {
			continue
		}
		protocol, err := v3.ProtocolNumber(p.Protocol)
		wrong.add(fmt.Sprintf("spec.ports[%d].protocol", i), err)
		host, err := hostIP(p.HostIP)
		wrong.add(fmt.Sprintf("spec.ports[%d].hostIP", i), err)
		for _, ipv6 := range []bool{false, true} {
			at := slices.IndexFunc(nets, func(n netip.Prefix) bool { return n.Addr().Is6() == ipv6 })
			if at < 0 || host.IsValid() && host.Is6() != ipv6 {
				continue
			}
			now := desired.HostPort{Protocol: protocol, Port: *p.HostPort, To: netip.AddrPortFrom(nets[at].Addr(), p.Port)}
			if !host.IsUnspecified() {
				now.Host = host
			}
			out = append(out, now)
		}
	}
	slices.SortStableFunc(out, func(a, b desired.HostPort) int { return a.Compare(b) })
	return slices.CompactFunc(out, func(a, b desired.HostPort) bool { return claimOf(a) == claimOf(b) })
}

// hostIP reads an address of the host; the zero Addr is all of both families.
func hostIP(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	return v3.ParseIP(text)
}

// reclaim replaces what leads to an endpoint; either version may be nil. Others that claim the same may get or lose it.
func (s *locals) reclaim(ep *localEndpoint, from, to *desired.Endpoint) {
	var floats [2][]netip.Addr
	var ports [2][]portClaim
	for i, e := range []*desired.Endpoint{from, to} {
		if e == nil {
			continue
		}
		for _, f := range e.FloatingIPs {
			floats[i] = append(floats[i], f.External)
		}
		for _, p := range e.HostPorts {
			ports[i] = append(ports[i], claimOf(p))
		}
	}
	s.exposed.floats.move(ep, floats[0], floats[1])
	s.exposed.ports.move(ep, ports[0], ports[1])
	for _, addr := range slices.Concat(floats[0], floats[1]) {
		s.touchAll(s.exposed.floats.of(addr))
	}
	for _, port := range slices.Concat(ports[0], ports[1]) {
		s.touchAll(s.exposed.ports.of(port))
	}
	s.route(slices.Concat(floats[0], floats[1]))
}

func (s *locals) touchAll(list []*localEndpoint) {
	for _, ep := range list {
		s.touch(ep)
	}
}

// setFloating puts floating addresses in use, or takes them out.
func (s *locals) setFloating(on bool) {
	if s.exposed.floating == on {
		return
	}
	s.exposed.floating = on
	for addr, list := range s.exposed.floats {
		s.touchAll(list)
		s.route([]netip.Addr{addr})
	}
}

// expose leaves of what leads to an endpoint that which no other has before it.
func (s *locals) expose(out *desired.Endpoint, ep *localEndpoint) {
	out.FloatingIPs, out.HostPorts = nil, nil
	for _, f := range ep.FloatingIPs {
		if s.exposed.floating && s.exposed.floats.of(f.External)[0] == ep {
			out.FloatingIPs = append(out.FloatingIPs, f)
		}
	}
	for _, p := range ep.HostPorts {
		if s.exposed.ports.of(claimOf(p))[0] == ep && p.Host != netip.IPv6Loopback() {
			out.HostPorts = append(out.HostPorts, p)
		}
	}
}

// unexposed reports what does not lead to an endpoint though it claims it.
func (s *locals) unexposed(ep *localEndpoint, key api.Key, out problems) {
	for _, f := range ep.FloatingIPs {
		switch winner := s.exposed.floats.of(f.External)[0]; {
		case !s.exposed.floating:
			out.add(key, "spec.ipNATs", f.External.String()+" does not lead here: floating IPs are not in use; set floatingIPs: Enabled in FelixConfiguration")
		case winner != ep:
			out.add(key, "spec.ipNATs", "endpoint "+winner.ID.String()+", which goes before it, has floating IP "+f.External.String()+
				" too and gets its packets; take it from one of them")
		}
	}
	for _, p := range ep.HostPorts {
		switch winner := s.exposed.ports.of(claimOf(p))[0]; {
		case p.Host == netip.IPv6Loopback():
			out.add(key, "spec.ports", "host port "+p.String()+" does not lead here: the kernel lets no packet from ::1 leave the host; write 127.0.0.1, "+
				"another address of the host, or none")
		case winner != ep:
			out.add(key, "spec.ports", "endpoint "+winner.ID.String()+", which goes before it, has host port "+p.String()+
				" too and gets its packets; take it from one of them")
		}
	}
}
