// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// matcher renders matches for one family and direction. A rule becomes one kernel rule for each combination of its alternatives: most have one.
type matcher struct {
	fam  *family
	dir  rule.Direction
	sets *setPlans
	err  error
}

// match renders a match as alternatives; none means that nothing can match. The cheap and telling tests come first: protocol and ports, then sets.
func (m *matcher) match(match *rule.Match) []branch {
	if match.IPVersion != 0 && match.IPVersion != m.fam.version {
		return nil
	}
	b, possible := m.protocol(match)
	if !possible {
		return nil
	}
	src := end{m: m, side: &match.Src, option: "-s", rank: rankSource, flag: "src", port: "sport", peer: m.dir == rule.Ingress}
	dst := end{m: m, side: &match.Dst, option: "-d", rank: rankDestination, flag: "dst", port: "dport", peer: m.dir == rule.Egress}
	if (src.hasPorts() || dst.hasPorts()) && !portProtocol(match.Protocol) {
		m.fail(fmt.Errorf("ports with protocol %d", match.Protocol))
	}
	branches := []branch{b}
	for _, render := range []func([]branch) []branch{
		func(b []branch) []branch { return src.ports(b, match.Protocol) },
		func(b []branch) []branch { return dst.ports(b, match.Protocol) },
		src.nets, dst.nets, src.addresses, dst.addresses,
	} {
		branches = render(branches)
	}
	return branches
}

func portProtocol(p uint8) bool {
	return p == protoTCP || p == protoUDP || p == protoSCTP || p == protoUDPLite
}

// protocolNames are those that the tool prints by name whatever the machine's list says.
var protocolNames = map[uint8]string{protoICMP: "icmp", protoTCP: "tcp", protoUDP: "udp", protoICMPv6: "ipv6-icmp", protoSCTP: "sctp", protoUDPLite: "udplite"}

func protocol(not bool, p uint8) criterion {
	text := "-p " + cmp.Or(protocolNames[p], strconv.Itoa(int(p)))
	if not {
		text = "! " + text
	}
	return criterion{rank: rankProtocol, text: text}
}

func (m *matcher) protocol(match *rule.Match) (b branch, possible bool) {
	icmp := match.ICMP != nil || match.NotICMP != nil
	switch {
	case match.Protocol != 0 && match.Protocol == match.NotProtocol:
		return nil, false
	case icmp && cmp.Or(match.Protocol, m.fam.icmp) != m.fam.icmp:
		return nil, false // of the other family
	case match.Protocol != 0 || icmp:
		b = b.and(protocol(false, cmp.Or(match.Protocol, m.fam.icmp)))
	case match.NotProtocol != 0:
		b = b.and(protocol(true, match.NotProtocol))
	}
	for i, x := range []*rule.ICMP{match.ICMP, match.NotICMP} {
		if x != nil {
			b = b.and(m.icmp(i == 1, x))
		}
	}
	return b, true
}

func (m *matcher) icmp(not bool, x *rule.ICMP) criterion {
	text := "-m " + m.fam.icmpMod + " "
	if not {
		text += "! "
	}
	text += m.fam.icmpOpt + " " + strconv.Itoa(int(x.Type))
	if x.HasCode {
		text += "/" + strconv.Itoa(int(x.Code))
	}
	return module(text)
}

// end is one side of a match.
type end struct {
	m      *matcher
	side   *rule.Side
	option string // of an address
	rank   int
	flag   string // of a set
	port   string // option of a port
	peer   bool   // it is the other end, seen from the endpoint
}

func (e *end) hasPorts() bool { return len(e.side.Ports)+len(e.side.NotPorts) > 0 }

// ports renders numbered and named ports: alternatives of each other.
func (e *end) ports(branches []branch, protocol uint8) []branch {
	if len(e.side.Ports)+len(e.side.PortSets) > 0 {
		var alternatives []branch
		if len(e.side.Ports) > 0 {
			alternatives = e.numbered(protocol)
		}
		for _, set := range e.side.PortSets {
			alternatives = append(alternatives, branch{e.set(false, set, rule.SetPort)})
		}
		branches = either(branches, alternatives)
	}
	return each(branches, e.notPorts(protocol))
}

// slotsMax is how many ports the multiport module takes; a range counts twice (XT_MULTI_PORTS).
const slotsMax = 15

func (e *end) numbered(protocol uint8) []branch {
	ranges := rule.MergePorts(e.side.Ports)
	if whole(ranges[0]) {
		return []branch{nil}
	}
	var alternatives []branch
	for _, part := range portions(ranges) {
		alternatives = append(alternatives, branch{e.portTest(false, part, protocol)})
	}
	return alternatives
}

func (e *end) notPorts(protocol uint8) []criterion {
	var out []criterion
	for _, part := range portions(rule.MergePorts(e.side.NotPorts)) {
		out = append(out, e.portTest(true, part, protocol))
	}
	for _, set := range e.side.NotPortSets {
		out = append(out, e.set(true, set, rule.SetPort))
	}
	return out
}

// portTest tests ports: one value or range with the protocol's own module, more with multiport.
func (e *end) portTest(not bool, ranges []rule.PortRange, protocol uint8) criterion {
	option := "--" + e.port
	name := protocolNames[protocol]
	if len(ranges) > 1 || protocol == protoUDPLite || not && whole(ranges[0]) {
		option, name = option+"s", "multiport"
	}
	var texts []string
	for _, r := range ranges {
		texts = append(texts, portText(r))
	}
	if not {
		option = "! " + option
	}
	return criterion{rank: rankModule, text: "-m " + name + " " + option + " " + strings.Join(texts, ","), ofProtocol: true}
}

func whole(r rule.PortRange) bool { return r.Min == 0 && r.Max == 65535 }

func portText(r rule.PortRange) string {
	if r.Min == r.Max {
		return strconv.Itoa(int(r.Min))
	}
	return fmt.Sprintf("%d:%d", r.Min, r.Max)
}

// portions cuts ranges in lists that the multiport module takes.
func portions(ranges []rule.PortRange) [][]rule.PortRange {
	var out [][]rule.PortRange
	slots := slotsMax + 1
	for _, r := range ranges {
		need := 1
		if r.Min != r.Max {
			need = 2
		}
		if slots+need > slotsMax {
			out, slots = append(out, nil), 0
		}
		last := len(out) - 1
		out[last], slots = append(out[last], r), slots+need
	}
	return out
}

// nets renders constant prefixes. One can be tested by the rule itself; more go into a set.
func (e *end) nets(branches []branch) []branch {
	direct := true
	if len(e.side.Nets) > 0 {
		nets := ofFamily(e.side.Nets, e.m.fam)
		switch {
		case len(nets) == 0:
			return nil
		case slices.ContainsFunc(nets, everything):
		case len(nets) == 1:
			branches, direct = each(branches, []criterion{e.net(false, nets[0])}), false
		default:
			branches = each(branches, []criterion{e.nets2set(false, nets)})
		}
	}
	switch nots := ofFamily(e.side.NotNets, e.m.fam); {
	case len(nots) == 0:
	case slices.ContainsFunc(nots, everything):
		return nil
	case len(nots) == 1 && direct:
		branches = each(branches, []criterion{e.net(true, nots[0])})
	default:
		branches = each(branches, []criterion{e.nets2set(true, nots)})
	}
	return branches
}

func everything(p netip.Prefix) bool { return p.Bits() == 0 }

func (e *end) net(not bool, p netip.Prefix) criterion {
	c := criterion{rank: e.rank, text: e.option + " " + p.String()}
	if not {
		c.text = "! " + c.text
	} else if e.peer {
		c.peer = p.String()
	}
	return c
}

func (e *end) nets2set(not bool, nets []netip.Prefix) criterion {
	return e.test(not, e.m.sets.constant(e.m.fam, nets), e.flag)
}

// addresses renders references to IP sets: every positive one must hold the address; no negative one may.
func (e *end) addresses(branches []branch) []branch {
	var all []criterion
	for _, set := range e.side.Sets {
		all = append(all, e.set(false, set, rule.SetNet))
	}
	for _, set := range e.side.NotSets {
		all = append(all, e.set(true, set, rule.SetNet))
	}
	return each(branches, all)
}

// set tests an IP set, whose kind must be the one that belongs here.
func (e *end) set(not bool, set rule.Set, kind rule.SetKind) criterion {
	have, ok := e.m.sets.view.IPSet(set.ID)
	switch {
	case !ok:
		e.m.fail(fmt.Errorf("IP set %s is referred to and not there", set.ID))
	case have.Kind != kind:
		e.m.fail(fmt.Errorf("IP set %s is of kind %d where kind %d is needed", set.ID, have.Kind, kind))
	}
	flags := e.flag
	if kind == rule.SetPort {
		flags += "," + e.flag
	}
	return e.test(not, e.m.fam.setName(set.ID), flags)
}

func (e *end) test(not bool, set, flags string) criterion {
	if not {
		return module("-m set ! --match-set " + set + " " + flags)
	}
	c := module("-m set --match-set " + set + " " + flags)
	if e.peer && flags == e.flag {
		c.peer = set
	}
	return c
}

func (m *matcher) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// each adds criteria to every branch.
func each(branches []branch, c []criterion) []branch {
	var out []branch
	for _, b := range branches {
		out = append(out, b.and(c...))
	}
	return out
}

// either multiplies every branch by alternatives.
func either(branches, alternatives []branch) []branch {
	var out []branch
	for _, b := range branches {
		for _, a := range alternatives {
			out = append(out, b.and(a...))
		}
	}
	return out
}
