// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// matcher compares one packet with one rule.
type matcher struct {
	world   World
	packet  *Packet
	missing rule.SetID // a set that was asked for and is not known
}

func (m *matcher) match(r *rule.Match) bool {
	p := m.packet
	return (r.IPVersion == 0 || r.IPVersion == version(p.Dst)) &&
		(r.Protocol == 0 || r.Protocol == p.Protocol) &&
		(r.NotProtocol == 0 || r.NotProtocol != p.Protocol) &&
		(r.ICMP == nil || m.icmp(r.ICMP)) &&
		(r.NotICMP == nil || !m.icmp(r.NotICMP)) &&
		m.side(&r.Src, p.Src, p.SrcPort) &&
		m.side(&r.Dst, p.Dst, p.DstPort)
}

func version(a netip.Addr) uint8 {
	if a.Is4() {
		return 4
	}
	return 6
}

// icmp compares type and code. That the packet is ICMP at all is said by the rule's protocol.
func (m *matcher) icmp(i *rule.ICMP) bool {
	return i.Type == m.packet.ICMPType && (!i.HasCode || i.Code == m.packet.ICMPCode)
}

func (m *matcher) side(s *rule.Side, addr netip.Addr, port uint16) bool {
	inNet := func(n netip.Prefix) bool { return n.Contains(addr) }
	inPorts := func(r rule.PortRange) bool { return r.Min <= port && port <= r.Max }
	inSet := func(set rule.Set) bool { return m.inSet(set, addr, port) }
	notInSet := func(set rule.Set) bool { return !m.inSet(set, addr, port) }

	anyPort := len(s.Ports) == 0 && len(s.PortSets) == 0
	return (len(s.Nets) == 0 || slices.ContainsFunc(s.Nets, inNet)) &&
		!slices.ContainsFunc(s.NotNets, inNet) &&
		!slices.ContainsFunc(s.Sets, notInSet) &&
		!slices.ContainsFunc(s.NotSets, inSet) &&
		(anyPort || slices.ContainsFunc(s.Ports, inPorts) || slices.ContainsFunc(s.PortSets, inSet)) &&
		!slices.ContainsFunc(s.NotPorts, inPorts) &&
		!slices.ContainsFunc(s.NotPortSets, inSet)
}

func (m *matcher) inSet(set rule.Set, addr netip.Addr, port uint16) bool {
	member := desired.Member{Prefix: desired.HostPrefix(addr)}
	if set.Kind == rule.SetPort {
		member.Protocol, member.Port = m.packet.Protocol, port
	}
	holds, known := m.world.Contains(set.ID, member)
	if !known {
		m.missing = set.ID
	}
	return holds
}
