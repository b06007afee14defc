// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// actionCases say how rules, policies, tiers and profiles follow each other (calico-behaviour §3.2). A word is a policy by the actions of its
// rules; a policy with rules that match nothing begins with "no-".
var actionCases = []struct {
	name     string
	tiers    []tierCase
	profiles []string
	allowed  bool
	hits     []rule.ID
}{
	{"nothing at all", nil, nil, false, nil},
	{"a profile", nil, []string{"Allow"}, true, []rule.ID{"Allow-0"}},
	{"a profile that denies", nil, []string{"Deny", "Allow"}, false, []rule.ID{"Deny-0"}},
	{"profiles in their order", nil, []string{"no-Deny", "Log", "Pass", "Allow"}, true, []rule.ID{"Log-0", "Pass-0", "Allow-0"}},
	{"allow", []tierCase{{rule.Deny, []string{"Allow", "Deny"}}}, nil, true, []rule.ID{"Allow-0"}},
	{"deny", []tierCase{{rule.Pass, []string{"no-Allow", "Deny", "Allow"}}}, []string{"Allow"}, false, []rule.ID{"Deny-0"}},
	{"the first rule counts", []tierCase{{rule.Deny, []string{"Allow-Deny"}}}, nil, true, []rule.ID{"Allow-Deny-0"}},
	{"log goes on", []tierCase{{rule.Deny, []string{"Log", "Log-Allow"}}}, nil, true, []rule.ID{"Log-0", "Log-Allow-0", "Log-Allow-1"}},
	{"pass leaves the tier", []tierCase{{rule.Deny, []string{"Pass-Deny", "Deny"}}, {rule.Deny, []string{"Allow"}}}, nil, true, []rule.ID{"Pass-Deny-0", "Allow-0"}},
	{"pass leaves the last tier", []tierCase{{rule.Deny, []string{"Pass"}}}, []string{"Allow"}, true, []rule.ID{"Pass-0", "Allow-0"}},
	{"the end of a tier denies", []tierCase{{rule.Deny, []string{"no-Allow"}}, {rule.Deny, []string{"Allow"}}}, []string{"Allow"}, false, nil},
	{"the end of a tier passes", []tierCase{{rule.Pass, []string{"no-Allow", "no-Deny"}}, {rule.Deny, []string{"Allow"}}}, nil, true, []rule.ID{"Allow-0"}},
	{"a policy without rules isolates", []tierCase{{rule.Deny, []string{""}}}, []string{"Allow"}, false, nil},
}

type tierCase struct {
	end      rule.Action
	policies []string
}

// actions runs the cases for both directions of a workload.
func actions(t *testing.T, open Open) {
	b := newJudged(t, open)
	var old *desired.State
	source := uint16(3000)
	for _, c := range actionCases {
		for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
			now := actionState(t, c.tiers, c.profiles, dir)
			if err := b.program(t, old, now); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			old = now
			for _, v6 := range []bool{false, true} {
				source++
				s, out := sent{from: uplink, src: "world", dst: "pod1", port: 80}, pod1
				if dir == rule.Egress {
					s, out = sent{from: pod1, src: "pod1", dst: "world", port: 80}, uplink
				}
				want := expectation{out: outIf(c.allowed, out), hits: map[rule.ID]bool{}}
				for _, id := range c.hits {
					want.hits[id+rule.ID("-"+dir.String())] = true
				}
				if err := b.try(probe{s.from, s.packet(v6, source)}, want); err != nil {
					t.Errorf("%s, %v, v6=%v: %v", c.name, dir, v6, err)
				}
			}
		}
	}
}

// actionState has one workload with the tiers and profiles in one direction.
func actionState(t *testing.T, tiers []tierCase, profiles []string, dir rule.Direction) *desired.State {
	t.Helper()
	d := &desired.Delta{}
	e := &desired.Endpoint{ID: desired.EndpointID{Namespace: "ns", Name: pod1}, Interface: pod1}
	for _, v6 := range []bool{false, true} {
		e.Addrs = append(e.Addrs, addressOf("pod1", v6))
	}
	use := func(kind rule.PolicyKind, name string) rule.PolicyID {
		p := policyOfActions(kind, name, dir)
		for _, have := range d.Policies {
			if have.ID == p.ID {
				return p.ID
			}
		}
		d.Policies = append(d.Policies, p)
		return p.ID
	}
	for i, c := range tiers {
		in := desired.TierPolicies{Tier: fmt.Sprint("t", i), DefaultAction: c.end}
		for _, name := range c.policies {
			in.Policies = append(in.Policies, use(rule.KindGlobalNetworkPolicy, name))
		}
		e.Tiers[dir] = append(e.Tiers[dir], in)
	}
	for _, name := range profiles {
		e.Profiles = append(e.Profiles, use(rule.KindProfile, name))
	}
	d.Endpoints = []*desired.Endpoint{e}
	s := desired.NewState()
	must(t, s.Apply(d))
	return s
}

// policyOfActions makes a policy of a word; its rules' IDs are the word, their place and the direction.
func policyOfActions(kind rule.PolicyKind, word string, dir rule.Direction) *desired.Policy {
	p := &desired.Policy{ID: rule.PolicyID{Kind: kind, Name: word}}
	match := rule.Match{}
	names, unmatched := strings.CutPrefix(word, "no-")
	if unmatched {
		match.Protocol = 253 // for experiments (RFC 3692)
	}
	for i, name := range strings.FieldsFunc(names, func(r rune) bool { return r == '-' }) {
		for _, action := range []rule.Action{rule.Allow, rule.Deny, rule.Pass, rule.Log} {
			if action.String() == name {
				id := rule.ID(fmt.Sprintf("%s-%d-%v", word, i, dir))
				p.Rules[dir] = append(p.Rules[dir], rule.Rule{ID: id, Action: action, Index: i, Match: match})
			}
		}
	}
	return p
}

// rejects: with Settings.Reject who sends a packet that policy denies is told so, and without it is not. Nothing is different about the verdict.
func rejects(t *testing.T, open Open) {
	b := newBench(t, open, false)
	ways := []sent{worldToPod(80, ""), podToWorld(80, ""), podToPod(80, ""), worldToHost(80, ""), worldToDMZ(80, "")}
	closed := at(uplink, desired.HostEndpoint{Forward: inWay(denyAll)})
	source := uint16(4000)
	for _, reject := range []bool{false, true} {
		now := world(t, rule.Deny, 1, 2)
		must(t, now.Apply(&desired.Delta{
			Policies: []*desired.Policy{denyAll}, Settings: &desired.Settings{Reject: reject}, HostEndpoints: []*desired.HostEndpoint{closed},
		}))
		must(t, b.program(t, nil, now))
		for _, s := range ways {
			for _, v6 := range []bool{false, true} {
				for _, protocol := range []uint8{protoTCP, protoUDP} {
					source++
					p := s.packet(v6, source)
					p.Protocol = protocol
					out, err := b.Send(s.from, p)
					must(t, err)
					if out != "" || b.answered != reject {
						t.Errorf("reject %v: %+v from %s came out at %q, and was answered: %v", reject, p, s.from, out, b.answered)
					}
				}
			}
		}
	}
}
