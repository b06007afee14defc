// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// matcher renders matches for one family. A rule becomes one kernel rule for each combination of its alternatives: most have one.
type matcher struct {
	fam *family
	// shape says what members an IP set has.
	shape func(rule.SetID) (shape, bool)
	err   error
}

// branches are alternatives, each a list of statements that must all hold.
type branches [][]stmt

// and adds statements to every branch.
func (b branches) and(stmts ...stmt) branches {
	out := make(branches, len(b))
	for i, branch := range b {
		out[i] = slices.Concat(branch, stmts)
	}
	return out
}

// either multiplies every branch by alternatives; none means that nothing can match.
func (b branches) either(alternatives []stmt) branches {
	var out branches
	for _, branch := range b {
		for _, s := range alternatives {
			out = append(out, append(slices.Clip(branch), s))
		}
	}
	return out
}

// match renders a match. The cheap and telling tests come first: protocol and ports, then prefixes, then sets.
func (m *matcher) match(match *rule.Match) branches {
	if match.IPVersion != 0 && match.IPVersion != m.fam.version {
		return nil
	}
	b := branches{nil}.and(m.protocol(match)...)
	b = m.ports(b, &match.Src, m.fam.saddr, sport)
	b = m.ports(b, &match.Dst, m.fam.daddr, dport)
	b = b.and(m.icmp(match)...)
	b = m.nets(b, &match.Src, m.fam.saddr)
	b = m.nets(b, &match.Dst, m.fam.daddr)
	b = m.sets(b, &match.Src, m.fam.saddr)
	b = m.sets(b, &match.Dst, m.fam.daddr)
	for i := range b {
		b[i] = guard(m.fam, b[i])
	}
	return b
}

// guard puts a test of the family before the first look at the network header, so that offsets are right whoever calls the chain and the
// nft tool lists the rule readably.
func guard(f *family, stmts []stmt) []stmt {
	at := slices.IndexFunc(stmts, func(s stmt) bool { return slices.ContainsFunc(fieldsOf(s), func(x *field) bool { return x.network }) })
	if at < 0 {
		return stmts
	}
	return slices.Insert(stmts, at, stmt(is{f: nfproto, value: []byte{f.nfproto}}))
}

func fieldsOf(s stmt) []*field {
	switch s := s.(type) {
	case is:
		return []*field{s.f}
	case within:
		return []*field{s.f}
	case between:
		return []*field{s.f}
	case in:
		return s.fields
	case choose:
		return s.fields
	}
	return nil
}

func (m *matcher) protocol(match *rule.Match) []stmt {
	var out []stmt
	switch {
	case match.Protocol != 0:
		out = append(out, is{f: l4proto, value: []byte{match.Protocol}})
	case match.ICMP != nil || match.NotICMP != nil:
		out = append(out, is{f: l4proto, value: []byte{m.fam.icmp}})
	case hasPorts(&match.Src) || hasPorts(&match.Dst):
		out = append(out, inConst(l4proto, false, hostSet(l4proto.kind, [][]byte{{protoTCP}, {protoUDP}, {protoSCTP}})))
	}
	if match.NotProtocol != 0 {
		out = append(out, is{f: l4proto, not: true, value: []byte{match.NotProtocol}})
	}
	return out
}

func hasPorts(s *rule.Side) bool { return len(s.Ports) > 0 || len(s.NotPorts) > 0 }

// icmp renders type and code. The protocol has been tested; it need not be the family's own.
func (m *matcher) icmp(match *rule.Match) []stmt {
	typ := icmp4
	if cmp.Or(match.Protocol, m.fam.icmp) == protoICMPv6 {
		typ = icmp6
	}
	var out []stmt
	for i, x := range []*rule.ICMP{match.ICMP, match.NotICMP} {
		switch {
		case x == nil:
		case x.HasCode:
			out = append(out, is{f: icmpTC, not: i == 1, value: []byte{x.Type, x.Code}})
		default:
			out = append(out, is{f: typ, not: i == 1, value: []byte{x.Type}})
		}
	}
	return out
}

// ports renders numbered and named ports of one side: alternatives of each other.
func (m *matcher) ports(b branches, side *rule.Side, addr, port *field) branches {
	if len(side.Ports)+len(side.PortSets) > 0 {
		var alternatives []stmt
		if len(side.Ports) > 0 {
			alternatives = append(alternatives, portStmt(port, false, side.Ports))
		}
		for _, set := range side.PortSets {
			alternatives = append(alternatives, m.portSet(set, false, addr, port))
		}
		b = b.either(alternatives)
	}
	if len(side.NotPorts) > 0 {
		b = b.and(portStmt(port, true, side.NotPorts))
	}
	for _, set := range side.NotPortSets {
		b = b.and(m.portSet(set, true, addr, port))
	}
	return b
}

func portStmt(f *field, not bool, ranges []rule.PortRange) stmt {
	switch r := rule.MergePorts(ranges); {
	case len(r) == 1 && r[0].Min == r[0].Max:
		return is{f: f, not: not, value: be16(r[0].Min)}
	case len(r) == 1:
		return between{f: f, not: not, lo: be16(r[0].Min), hi: be16(r[0].Max)}
	default:
		return inConst(f, not, portRanges(r))
	}
}

func (m *matcher) portSet(set rule.Set, not bool, addr, port *field) stmt {
	if s, ok := m.lookup(set, rule.SetPort); ok {
		return in{fields: []*field{addr, l4proto, port}, not: not, set: s.portSet(set.ID, m.fam)}
	}
	return nil
}

// nets renders the constant prefixes of one side.
func (m *matcher) nets(b branches, side *rule.Side, addr *field) branches {
	if len(side.Nets) > 0 {
		nets := outermost(ofFamily(side.Nets, m.fam))
		if len(nets) == 0 {
			return nil
		}
		b = b.and(m.netStmt(addr, false, nets))
	}
	if nets := outermost(ofFamily(side.NotNets, m.fam)); len(nets) > 0 {
		b = b.and(m.netStmt(addr, true, nets))
	}
	return b
}

func (m *matcher) netStmt(f *field, not bool, nets []netip.Prefix) stmt {
	if len(nets) == 1 {
		return within{f: f, not: not, prefix: nets[0]}
	}
	return inConst(f, not, prefixSet(m.fam, nets))
}

// sets renders references to IP sets: every positive one must hold the address, as a host or in a prefix; no negative one may.
func (m *matcher) sets(b branches, side *rule.Side, addr *field) branches {
	for _, set := range side.Sets {
		var alternatives []stmt
		for _, name := range m.addrSets(set) {
			alternatives = append(alternatives, in{fields: []*field{addr}, set: name})
		}
		b = b.either(alternatives)
	}
	for _, set := range side.NotSets {
		for _, name := range m.addrSets(set) {
			b = b.and(in{fields: []*field{addr}, not: true, set: name})
		}
	}
	return b
}

// addrSets names the kernel sets that hold an IP set's members of the family.
func (m *matcher) addrSets(set rule.Set) []string {
	s, ok := m.lookup(set, rule.SetNet)
	if !ok {
		return nil
	}
	names := []string{s.hostSet(set.ID, m.fam)}
	if s.nets[m.fam.index()] {
		names = append(names, s.netSet(set.ID, m.fam))
	}
	return names
}

func (m *matcher) lookup(set rule.Set, kind rule.SetKind) (shape, bool) {
	s, ok := m.shape(set.ID)
	switch {
	case !ok:
		m.fail(fmt.Errorf("IP set %s is referred to and not there", set.ID))
	case s.kind != kind:
		m.fail(fmt.Errorf("IP set %s is of kind %d where kind %d is needed", set.ID, s.kind, kind))
		ok = false
	}
	return s, ok
}

func (m *matcher) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

func inConst(f *field, not bool, c *constSet) stmt {
	return in{fields: []*field{f}, not: not, set: c.set.Name, konst: c}
}

// portRanges is a constant set of ports: a hash when all are single, else ranges.
func portRanges(ranges []rule.PortRange) *constSet {
	if !slices.ContainsFunc(ranges, func(r rule.PortRange) bool { return r.Min != r.Max }) {
		var keys [][]byte
		for _, r := range ranges {
			keys = append(keys, be16(r.Min))
		}
		return hostSet(nft.FieldPort, keys)
	}
	var keys []byte
	for _, r := range ranges {
		keys = append(append(keys, be16(r.Min)...), be16(r.Max)...)
	}
	return newConstSet([]nft.Field{nft.FieldPort}, true, keys)
}
