// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package eval judges packets: Evaluate tells what an endpoint's policy does with a packet and why, Judge does so for
// both ends of a flow, and Node.Pass for the whole way through a node: host endpoints, and what surrounds policy.
//
// It is the one evaluator that tests, explanations and staged policies share; every data plane must agree with it. It
// is pure and judges new connections: packets of established flows never reach policy.
package eval

import (
	"net/netip"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Packet is what policy sees of the first packet of a flow.
type Packet struct {
	Src, Dst netip.Addr
	Protocol uint8 // IP protocol number (IANA)
	// SrcPort and DstPort count for TCP, UDP and SCTP.
	SrcPort, DstPort uint16
	// ICMPType and ICMPCode count for ICMP and ICMPv6.
	ICMPType, ICMPCode uint8
}

// World is what policies refer to.
type World interface {
	// Policy returns a policy or profile.
	Policy(rule.PolicyID) (*desired.Policy, bool)
	// Contains tells whether a set holds an address (in a CIDR of a rule.SetNet; with protocol and port in a
	// rule.SetPort), and whether the set is known at all. The member's prefix is a host.
	Contains(rule.SetID, desired.Member) (holds, known bool)
}

// Evaluate returns what the policy of ep does with a packet in one direction. What is missing from the world denies.
func Evaluate(w World, ep *desired.Endpoint, dir rule.Direction, p Packet) Result {
	p.Src, p.Dst = p.Src.Unmap(), p.Dst.Unmap()
	e := evaluation{world: w, dir: dir, packet: &p}
	for _, tier := range ep.Tiers[dir] {
		if verdict := e.tier(&tier); verdict != rule.NoMatch {
			return e.result(verdict)
		}
	}
	return e.result(e.profiles(ep.Profiles))
}

// Staged returns the endpoint as it would be with all staged policies in force: ep itself if none concerns it.
func Staged(ep *desired.Endpoint) *desired.Endpoint {
	if ep.Staged == nil {
		return ep
	}
	staged := *ep
	staged.Tiers, staged.Staged = *ep.Staged, nil
	return &staged
}

// evaluation is one packet's way through the policy of one endpoint.
type evaluation struct {
	world  World
	dir    rule.Direction
	packet *Packet
	early  bool // the ends of tiers do not decide
	trace  []Step
}

func (e *evaluation) result(verdict rule.Action) Result {
	return Result{Verdict: verdict, Trace: e.trace}
}

func (e *evaluation) add(s Step) { e.trace = append(e.trace, s) }

// tier returns Allow or Deny, or NoMatch to go on with the next tier.
func (e *evaluation) tier(t *desired.TierPolicies) rule.Action {
	if len(t.Policies) == 0 {
		return rule.NoMatch
	}
	for _, id := range t.Policies {
		switch action := e.policy(t.Tier, id); action {
		case rule.Allow, rule.Deny:
			return action
		case rule.Pass:
			return rule.NoMatch
		}
	}
	if e.early {
		return rule.NoMatch
	}
	action := rule.Deny
	if t.DefaultAction == rule.Pass {
		action = rule.Pass
	}
	e.add(Step{Kind: TierEnd, Tier: t.Tier, Action: action, Applied: t.Policies})
	if action == rule.Pass {
		return rule.NoMatch
	}
	return rule.Deny
}

// profiles returns Allow or Deny. Pass goes on with the next profile.
func (e *evaluation) profiles(ids []rule.PolicyID) rule.Action {
	for _, id := range ids {
		if action := e.policy("", id); action == rule.Allow || action == rule.Deny {
			return action
		}
	}
	e.add(Step{Kind: ProfilesEnd, Action: rule.Deny, Applied: ids})
	return rule.Deny
}

// policy returns the action of the first rule that matches and does not just log, or NoMatch.
func (e *evaluation) policy(tier string, id rule.PolicyID) rule.Action {
	p, ok := e.world.Policy(id)
	if !ok {
		e.add(Step{Kind: Missing, Tier: tier, Policy: id, Action: rule.Deny, Text: "the policy is not known"})
		return rule.Deny
	}
	for i := range p.Rules[e.dir] {
		r := &p.Rules[e.dir][i]
		m := matcher{world: e.world, packet: e.packet}
		matched := m.match(&r.Match)
		step := Step{Kind: RuleMatched, Tier: tier, Policy: id, Index: r.Index, RuleID: r.ID, Action: r.Action, Text: r.Text}
		if m.missing != "" {
			step.Kind, step.Action = Missing, rule.Deny
			step.Text = "set " + string(m.missing) + " is not known for: " + r.Text
			e.add(step)
			return rule.Deny
		}
		if !matched {
			continue
		}
		e.add(step)
		if r.Action != rule.Log {
			return r.Action
		}
	}
	e.add(Step{Kind: PolicyEnd, Tier: tier, Policy: id})
	return rule.NoMatch
}
