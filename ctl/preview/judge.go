// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// IP protocol numbers (IANA). protoOther is one for experiments (RFC 3692); it stands for all that no rule names.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
	protoOther  = 253
)

// sourcePort stands for the port that a client's system picks.
const sourcePort = 49152

// policySet is the policies in front of some endpoints in one direction.
type policySet struct {
	version  int
	dir      rule.Direction
	evaluate func(p eval.Packet, way string) *eval.Place // nil: not in force, nothing passes; of the place: nothing is asked
	// own and peer are the features of addresses that the rules look at.
	own, peer map[string]bool
	starts    []uint16 // destination ports, or ICMP type and code, at which rules may change their mind

	ownKeys, peerKeys []string // of classes, computed when asked for
	judged            map[[3]string]*outcome
}

func newPolicySet(version int, dir rule.Direction) *policySet {
	return &policySet{version: version, dir: dir, own: map[string]bool{}, peer: map[string]bool{}, judged: map[[3]string]*outcome{}}
}

// policySet returns that of an endpoint, on a node whose host endpoints its packets meet or (nil) not; equal ones are one.
func (c *comparison) policySet(version int, dir rule.Direction, ep *desired.Endpoint, inForce bool, node *cluster.Node) *policySet {
	key := fmt.Sprint(version, dir)
	if inForce {
		key = fmt.Sprintf("%d %v %v %v %p", version, dir, ep.Tiers[dir], ep.Profiles, node)
	}
	if known, ok := c.sets[key]; ok {
		return known
	}
	s := newPolicySet(version, dir)
	if inForce {
		w := c.worlds[version]
		s.evaluate = func(p eval.Packet, _ string) *eval.Place {
			return &eval.Place{Dir: dir, Result: eval.Evaluate(w, ep, dir, p)}
		}
		s.read(w, dir, ep.Profiles, ep.Tiers[dir])
		if node != nil {
			s.pass(w, node, ep)
		}
	}
	c.sets[key] = s
	return s
}

// nodePolicySet returns that of a node itself at one of its addresses; those of one link are one.
func (c *comparison) nodePolicySet(version int, dir rule.Direction, node *cluster.Node, addr netip.Addr) *policySet {
	key := fmt.Sprintf("%d %v node %p %s", version, dir, node, node.Away(addr, addr))
	if known, ok := c.sets[key]; ok {
		return known
	}
	s := newPolicySet(version, dir)
	s.pass(c.worlds[version], node, nil)
	c.sets[key] = s
	return s
}

// pass makes it the policy of the whole way through a node, from an endpoint or to it; nil is the node itself.
func (s *policySet) pass(w *world, node *cluster.Node, ep *desired.Endpoint) {
	s.evaluate = func(p eval.Packet, way string) *eval.Place { return cluster.Decisive(node.Places(ep, s.dir, way, p)) }
	s.failsafe(node.Settings)
	for _, h := range node.Hosts {
		s.read(w, rule.Ingress, h.Profiles, h.PreDNAT)
		for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
			s.read(w, dir, h.Profiles, slices.Concat(h.Untracked[dir], h.Normal[dir], h.Forward[dir]))
		}
	}
}

// failsafe takes note of failsafe ports.
func (s *policySet) failsafe(settings *desired.Settings) {
	for _, ports := range settings.Failsafe {
		for _, f := range ports {
			s.start(int(f.Port), int(f.Port)+1)
			if f.Net.IsValid() {
				s.own[f.Net.String()], s.peer[f.Net.String()] = true, true
			}
		}
	}
}

// hostPolicySet returns that of a host endpoint, for traffic of the node's own processes.
func (c *comparison) hostPolicySet(version int, dir rule.Direction, h *cluster.HostEnd) *policySet {
	ep := h.Endpoint
	key := fmt.Sprint(version, dir, "host", ep.Untracked[dir], ep.PreDNAT, ep.Normal[dir], ep.Profiles, h.Settings.Failsafe)
	if known, ok := c.sets[key]; ok {
		return known
	}
	w := c.worlds[version]
	s := newPolicySet(version, dir)
	s.evaluate = func(p eval.Packet, _ string) *eval.Place {
		return &eval.Place{Host: true, ID: ep.ID, Traffic: eval.Normal, Dir: dir, Result: eval.EvaluateProcess(w, h.Settings, ep, dir, p)}
	}
	tiers := slices.Concat(ep.Untracked[dir], ep.Normal[dir])
	if dir == rule.Ingress {
		tiers = append(tiers, ep.PreDNAT...)
	}
	s.failsafe(h.Settings)
	s.read(w, dir, ep.Profiles, tiers)
	c.sets[key] = s
	return s
}

// read takes note of what the rules of a direction look at.
func (s *policySet) read(w *world, dir rule.Direction, profiles []rule.PolicyID, tiers []desired.TierPolicies) {
	defer func() {
		slices.Sort(s.starts)
		s.starts = slices.Compact(s.starts)
	}()
	lists := slices.Clone(profiles)
	for _, tier := range tiers {
		lists = append(lists, tier.Policies...)
	}
	for _, id := range lists {
		p, ok := w.Policy(id)
		if !ok {
			continue
		}
		for i := range p.Rules[dir] {
			s.readRule(&p.Rules[dir][i].Match)
		}
	}
}

func (s *policySet) readRule(m *rule.Match) {
	src, dst := s.peer, s.own
	if s.dir == rule.Egress {
		src, dst = s.own, s.peer
	}
	featuresOf(src, &m.Src)
	featuresOf(dst, &m.Dst)
	for _, r := range slices.Concat(m.Dst.Ports, m.Dst.NotPorts) {
		s.start(int(r.Min), int(r.Max)+1)
	}
	for _, i := range []*rule.ICMP{m.ICMP, m.NotICMP} {
		if i == nil {
			continue
		}
		first, last := int(i.Type)<<8, int(i.Type)<<8+0xff
		if i.HasCode {
			first += int(i.Code)
			last = first
		}
		s.start(first, last+1)
	}
}

func (s *policySet) start(ports ...int) {
	for _, port := range ports {
		if port <= math.MaxUint16 {
			s.starts = append(s.starts, uint16(port))
		}
	}
}

// outcome is what becomes of each protocol and port between two classes at one end. Equal outcomes are one.
type outcome struct{ pieces []piece }

// piece is a range of destination ports, or of ICMP types and codes, with one decision.
type piece struct {
	protocol    uint8
	first, last uint16
	decision    *decision
}

// outcome judges what one class does in a direction with a peer.
func (c *comparison) outcome(version int, dir rule.Direction, own, peer *class) *outcome {
	s := own.policies[version][dir]
	if s == nil {
		return c.intern(c.everything(c.decisions.of("no policy applies there", true)))
	}
	if s.evaluate == nil {
		return c.intern(c.everything(c.decisions.of("the endpoint is not in force", false)))
	}
	if s.ownKeys == nil {
		s.ownKeys, s.peerKeys = make([]string, len(c.classes)), make([]string, len(c.classes))
	}
	way := wayTo(version, own, peer)
	key := [3]string{s.key(s.ownKeys, own, s.own), s.key(s.peerKeys, peer, s.peer), way}
	if known, ok := s.judged[key]; ok {
		return known
	}
	out := c.intern(c.judge(s, own, peer, way))
	s.judged[key] = out
	return out
}

// wayTo is the link between a class's node and a peer, empty where the way does not matter.
func wayTo(version int, own, peer *class) string {
	node := own.nodes[version]
	switch {
	case node == nil:
		return ""
	case peer.nodes[version] == node && peer.host:
		return cluster.OwnProcess
	case peer.nodes[version] == node:
		return cluster.OtherOnNode
	case own.host:
		return node.Away(peer.addrs[version], own.addrs[version])
	}
	return node.Away(peer.addrs[version])
}

// key is equal for classes that the rules do not tell apart.
func (s *policySet) key(cache []string, cl *class, looked map[string]bool) string {
	if cache[cl.index] != "" {
		return cache[cl.index]
	}
	var b strings.Builder
	b.WriteByte(':')
	for _, f := range cl.features[s.version] {
		if set, _, _ := strings.Cut(f, " "); looked[set] {
			b.WriteString(f + ",")
		}
	}
	cache[cl.index] = b.String()
	return b.String()
}

// judge asks the evaluator about one port of each range.
func (c *comparison) judge(s *policySet, own, peer *class, way string) []piece {
	p := eval.Packet{Src: own.addrs[s.version], Dst: peer.addrs[s.version]}
	dst := peer
	if s.dir == rule.Ingress {
		p.Src, p.Dst, dst = p.Dst, p.Src, own
	}
	starts := []uint16{0}
	starts = append(starts, s.starts...)
	for _, port := range dst.ports[s.version] {
		starts = append(starts, port)
		if port < math.MaxUint16 {
			starts = append(starts, port+1)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	var out []piece
	for _, protocol := range c.protocols {
		at := starts
		if !v3.HasPorts(protocol) && protocol != c.icmp() {
			at = starts[:1]
		}
		for i, first := range at {
			last := uint16(math.MaxUint16)
			if i+1 < len(at) {
				last = at[i+1] - 1
			}
			packet := packetOf(p, protocol, first)
			out = extend(out, piece{protocol, first, last, c.decisions.ofPlace(s.evaluate(packet, way), c.worlds[s.version].written)})
		}
	}
	return out
}

// packetOf sets the service; n is a port, or an ICMP type and code.
func packetOf(p eval.Packet, protocol uint8, n uint16) eval.Packet {
	p.Protocol = protocol
	switch {
	case v3.HasPorts(protocol):
		p.SrcPort, p.DstPort = sourcePort, n
	case protocol == protoICMP || protocol == protoICMPv6:
		p.ICMPType, p.ICMPCode = uint8(n>>8), uint8(n)
	}
	return p
}

// extend appends a piece, to the last one if that goes on.
func extend(list []piece, next piece) []piece {
	if n := len(list) - 1; n >= 0 && list[n].protocol == next.protocol && list[n].decision == next.decision {
		list[n].last = next.last
		return list
	}
	return append(list, next)
}

func (c *comparison) everything(d *decision) []piece {
	var out []piece
	for _, protocol := range c.protocols {
		out = append(out, piece{protocol, 0, math.MaxUint16, d})
	}
	return out
}

// intern returns the one outcome with these pieces.
func (c *comparison) intern(pieces []piece) *outcome {
	key := fmt.Sprint(pieces)
	if known, ok := c.outcomes[key]; ok {
		return known
	}
	out := &outcome{pieces}
	c.outcomes[key] = out
	return out
}
