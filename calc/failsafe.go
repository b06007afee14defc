// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Notices returns what is in force as it is written and still worth knowing, sorted like Problems: the policies that would close failsafe ports of
// this node's host endpoints to everybody. Call it after Flush.
func (g *Graph) Notices() []Problem {
	view := g.View()
	out := map[noticeKey]*Problem{}
	for ep := range view.HostEndpoints() {
		c := closing{view: view, world: eval.FromView(view), ep: ep}
		for dir, ports := range view.Settings().Failsafe {
			for _, port := range ports {
				c.note(out, rule.Direction(dir), port)
			}
		}
	}
	list := make([]Problem, 0, len(out))
	for key, p := range out {
		p.Reason = fmt.Sprintf("would close host endpoint %s for %s %s; failsafe ports stay open (FelixConfiguration spec.%s)",
			key.endpoint, key.dir, p.Reason, failsafeFields[key.dir])
		list = append(list, *p)
	}
	slices.SortFunc(list, compareProblems)
	return list
}

var failsafeFields = [2]string{rule.Ingress: "failsafeInboundHostPorts", rule.Egress: "failsafeOutboundHostPorts"}

// noticeKey is what one notice is about; its ports are listed in it.
type noticeKey struct {
	key      api.Key
	endpoint string
	dir      rule.Direction
}

// closing looks for what closes failsafe ports of a host endpoint.
type closing struct {
	view  desired.View
	world eval.World
	ep    *desired.HostEndpoint
}

// note adds a port to the notices of the policies that close it.
func (c *closing) note(out map[noticeKey]*Problem, dir rule.Direction, port desired.Failsafe) {
	for _, key := range c.closers(dir, port) {
		at := noticeKey{key, c.ep.ID.Name, dir}
		if have := out[at]; have != nil {
			have.Reason += ", " + port.String()
			continue
		}
		out[at] = &Problem{Key: key, Reason: port.String()}
	}
}

// closers returns the policies that deny everybody a failsafe port, or the host endpoint if none applies; nil if somebody is let through.
func (c *closing) closers(dir rule.Direction, port desired.Failsafe) []api.Key {
	var decided eval.Step
	for i, p := range c.attempts(dir, port) {
		result := eval.EvaluateProcess(c.world, &desired.Settings{}, c.ep, dir, p) // as if there were no failsafe ports
		if result.Verdict == rule.Allow {
			return nil
		}
		if i == 0 {
			decided = result.Decision()
		}
	}
	switch {
	case decided.Kind == eval.TierEnd:
		var out []api.Key
		for _, id := range decided.Applied {
			out = append(out, policyKey(id))
		}
		return out
	case decided.Kind == eval.ProfilesEnd:
		name, _, _ := strings.Cut(c.ep.ID.Name, "/")
		return []api.Key{{Resource: api.HostEndpoints, Name: name}}
	}
	return []api.Key{policyKey(decided.Policy)}
}

// attempts returns packets to a failsafe port that policy is likeliest to let through: one of somebody whom no rule knows, and for each rule that
// allows the port one of somebody whom it means.
func (c *closing) attempts(dir rule.Direction, port desired.Failsafe) []eval.Packet {
	v6 := port.Net.IsValid() && port.Net.Addr().Is6()
	out := []eval.Packet{c.packet(&rule.Match{}, dir, port, v6)}
	for id := range c.ep.Uses() {
		policy, _ := c.view.Policy(id)
		if policy == nil {
			continue
		}
		for i := range policy.Rules[dir] {
			r := &policy.Rules[dir][i]
			if r.Action != rule.Allow || r.Match.Protocol != 0 && r.Match.Protocol != port.Protocol {
				continue
			}
			for _, six := range []bool{false, true} {
				out = append(out, c.packet(&r.Match, dir, port, six))
			}
		}
	}
	return out
}

// nobody is addresses that no rule knows unless it means everybody: for benchmarks (RFC 2544) and documentation (RFC 3849).
var nobody = map[bool]netip.Addr{false: netip.MustParseAddr("198.18.0.1"), true: netip.MustParseAddr("2001:db8:ffff:ffff::1")}

func (c *closing) packet(m *rule.Match, dir rule.Direction, port desired.Failsafe, v6 bool) eval.Packet {
	p := eval.Packet{Protocol: port.Protocol, DstPort: port.Port, SrcPort: 49152, Src: c.somebody(&m.Src, v6), Dst: c.somebody(&m.Dst, v6)}
	other := &p.Src
	if dir == rule.Egress {
		other = &p.Dst
	}
	if port.Net.IsValid() && !port.Net.Contains(*other) {
		*other = port.Net.Addr()
	}
	return p
}

// somebody returns an address that one side of a rule means.
func (c *closing) somebody(s *rule.Side, v6 bool) netip.Addr {
	for _, net := range s.Nets {
		if net.Addr().Is6() == v6 {
			return net.Addr()
		}
	}
	for _, ref := range s.Sets[:min(1, len(s.Sets))] {
		if addr, ok := c.member(ref, s.Sets[1:], v6); ok {
			return addr
		}
	}
	return nobody[v6]
}

// triedMembers bounds how many members of a set are looked at.
const triedMembers = 1000

// member returns an address in a set, and in some others as well.
func (c *closing) member(ref rule.Set, others []rule.Set, v6 bool) (netip.Addr, bool) {
	set, ok := c.view.IPSet(ref.ID)
	if !ok {
		return netip.Addr{}, false
	}
	tried := 0
	for m := range set.Members {
		addr := m.Prefix.Addr()
		if tried++; tried > triedMembers {
			break
		}
		if addr.Is6() == v6 && !slices.ContainsFunc(others, func(other rule.Set) bool { return !c.holds(other, addr) }) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

func (c *closing) holds(set rule.Set, addr netip.Addr) bool {
	holds, _ := c.world.Contains(set.ID, desired.Member{Prefix: desired.HostPrefix(addr)})
	return holds
}
