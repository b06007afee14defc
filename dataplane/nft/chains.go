// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// chainSpec says what a chain is made from. Chains of tiers and endpoints are named by a hash of it, so equal ones are one.
type chainSpec struct {
	name string
	fam  *family
	dir  rule.Direction
	// policy: the rules of one policy; else the evaluation of tiers, then, if final, of profiles, then drop.
	policy   rule.PolicyID
	isPolicy bool
	tiers    []desired.TierPolicies
	profiles []rule.PolicyID
	final    bool
	indexed  bool // one tier, by peer
}

func policySpec(id rule.PolicyID, dir rule.Direction, f *family) chainSpec {
	return chainSpec{name: policyChain(id, dir, f), fam: f, dir: dir, policy: id, isPolicy: true}
}

// endpointSpec is what decides about packets of an endpoint.
func endpointSpec(e *desired.Endpoint, dir rule.Direction, f *family) chainSpec {
	s := chainSpec{fam: f, dir: dir, tiers: e.Tiers[dir], profiles: e.Profiles, final: true}
	s.name = "ep/" + s.tail()
	return s
}

// tierSpec is one tier by itself: it returns when it passes.
func (s chainSpec) tierSpec(t desired.TierPolicies) chainSpec {
	out := chainSpec{fam: s.fam, dir: s.dir, tiers: []desired.TierPolicies{t}}
	out.name = "tier/" + out.tail()
	return out
}

// indexSpec is the same, by peer.
func (s chainSpec) indexSpec(t desired.TierPolicies) chainSpec {
	out := s.tierSpec(t)
	out.indexed, out.name = true, "index/"+out.tail()
	return out
}

// tail ends the names of what is made from the same policies.
func (s chainSpec) tail() string { return dirTag(s.dir) + s.fam.tag + "/" + s.hash() }

func (s chainSpec) hash() string {
	var b []byte
	policies := func(ids []rule.PolicyID) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(ids)))
		for _, id := range ids {
			b = fmt.Appendf(b, "%d %q %q ", id.Kind, id.Namespace, id.Name)
		}
	}
	for _, t := range s.tiers {
		b = fmt.Appendf(b, "tier %q %d ", t.Tier, t.DefaultAction)
		policies(t.Policies)
	}
	if s.final {
		b = append(b, "profiles "...)
		policies(s.profiles)
	}
	return hash(b)
}

// Levels of chains: endpoints, indexed tiers, tiers, policies.
const (
	endpointLevel = iota
	indexLevel
	tierLevel
	policyLevel
	levels
)

func (s chainSpec) level() int {
	switch {
	case s.isPolicy:
		return policyLevel
	case s.final:
		return endpointLevel
	case s.indexed:
		return indexLevel
	}
	return tierLevel
}

// uses are the policies that the chain's rules depend on.
func (s chainSpec) uses() []rule.PolicyID {
	if s.isPolicy {
		return []rule.PolicyID{s.policy}
	}
	var out []rule.PolicyID
	for _, t := range s.tiers {
		out = append(out, t.Policies...)
	}
	return append(out, s.profiles...)
}

// rendered is a chain's rules and what they refer to.
type rendered struct {
	rules  []ruleSpec
	jumps  []chainSpec
	sets   []rule.SetID
	consts []*constSet
	peers  *peerIndex // of an indexed tier
}

// renderer turns chain specifications into rules.
type renderer struct {
	policy func(rule.PolicyID) (*desired.Policy, bool)
	shape  func(rule.SetID) (shape, bool)
	// indexFrom is the number of policies with named peers from which a tier is indexed.
	indexFrom int
}

// chain renders a chain.
func (r renderer) chain(s chainSpec) (rendered, error) {
	var out rendered
	var err error
	switch {
	case s.isPolicy:
		var p *desired.Policy
		if p, err = r.find(s.policy); err == nil {
			err = r.rules(&out, s, p, s.policy.Kind == rule.KindProfile)
		}
	case s.indexed:
		err = r.index(&out, s)
	default:
		err = r.evaluation(&out, s)
	}
	out.consts = constsOf(out.rules)
	return out, err
}

func (r renderer) find(id rule.PolicyID) (*desired.Policy, error) {
	if p, ok := r.policy(id); ok {
		return p, nil
	}
	return nil, fmt.Errorf("policy %s/%s is referred to and not there", id.Namespace, id.Name)
}

// evaluation renders tiers in order, then the profiles. What follows a tier that never passes is left out: nothing gets there.
func (r renderer) evaluation(out *rendered, s chainSpec) error {
	for _, t := range s.tiers {
		passes, err := r.hasPass(t.Policies, s.dir)
		if err != nil {
			return err
		}
		var split split
		worth := false
		if s.final {
			split, worth = r.split(t, s.dir, s.fam)
			out.sets = append(out.sets, split.sets...)
		}
		switch {
		case worth:
			out.jump(s.indexSpec(t))
		case s.final && passes:
			out.jump(s.tierSpec(t))
		default:
			if err := r.tier(out, s, t); err != nil {
				return err
			}
		}
		if t.DefaultAction != rule.Pass && !passes {
			return nil
		}
	}
	if !s.final {
		return nil
	}
	for _, id := range s.profiles {
		if err := r.policies(out, s, id); err != nil {
			return err
		}
	}
	out.rules = append(out.rules, ruleSpec{[]stmt{counter{}, denied}, "no profile matched"})
	return nil
}

// hasPass reports whether one of the policies can leave its tier.
func (r renderer) hasPass(ids []rule.PolicyID, dir rule.Direction) (bool, error) {
	for _, id := range ids {
		p, err := r.find(id)
		if err != nil {
			return false, err
		}
		if canPass(p, dir) {
			return true, nil
		}
	}
	return false, nil
}

func canPass(p *desired.Policy, dir rule.Direction) bool {
	return slices.ContainsFunc(p.Rules[dir], func(r rule.Rule) bool { return r.Action == rule.Pass })
}

// tier renders the policies of a tier and its default action.
func (r renderer) tier(out *rendered, s chainSpec, t desired.TierPolicies) error {
	for _, id := range t.Policies {
		if err := r.policies(out, s, id); err != nil {
			return err
		}
	}
	if t.DefaultAction != rule.Pass {
		out.rules = append(out.rules, ruleSpec{[]stmt{counter{}, denied}, comment("tier " + t.Tier + ": no policy matched")})
	}
	return nil
}

// policies renders one policy within a tier: a jump to its chain, shared by all endpoints; or, if it can pass, its rules, so that passing
// is a plain return from the tier's chain and needs no packet mark.
func (r renderer) policies(out *rendered, s chainSpec, id rule.PolicyID) error {
	p, err := r.find(id)
	switch {
	case err != nil || len(p.Rules[s.dir]) == 0:
		return err
	case canPass(p, s.dir) && !s.final:
		return r.rules(out, s, p, true)
	}
	out.jump(policySpec(id, s.dir, s.fam))
	return nil
}

func (o *rendered) jump(s chainSpec) {
	o.jumps = append(o.jumps, s)
	o.rules = append(o.rules, ruleSpec{stmts: []stmt{jump(s.name)}})
}

// rules renders the rules of a policy. With pass, a return means to leave the tier, or in a profile to go on with the next one.
func (r renderer) rules(out *rendered, s chainSpec, p *desired.Policy, pass bool) error {
	for i := range p.Rules[s.dir] {
		rl := &p.Rules[s.dir][i]
		end, err := action(rl.Action, s, pass)
		if err != nil {
			return fmt.Errorf("rule %d (%s): %w", rl.Index, rl.ID, err)
		}
		m := matcher{fam: s.fam, shape: r.shape}
		for _, branch := range m.match(&rl.Match) {
			out.rules = append(out.rules, ruleSpec{append(branch, end...), comment(ruleComment + string(rl.ID) + " " + rl.Text)})
		}
		if m.err != nil {
			return fmt.Errorf("rule %d (%s): %w", rl.Index, rl.ID, m.err)
		}
		out.sets = append(out.sets, setsOf(&rl.Match)...)
	}
	return nil
}

// action renders what a matching rule does.
func action(a rule.Action, s chainSpec, pass bool) ([]stmt, error) {
	switch {
	case a == rule.Allow && s.dir == rule.Egress:
		return []stmt{counter{}, goTo(toChain(s.fam))}, nil
	case a == rule.Allow:
		return []stmt{counter{}, accept}, nil
	case a == rule.Deny:
		return []stmt{counter{}, denied}, nil
	case a == rule.Log:
		return []stmt{counter{}, logged{logPrefix}}, nil
	case a == rule.Pass && pass:
		return []stmt{counter{}, returns}, nil
	}
	return nil, fmt.Errorf("action %d is not possible here", a)
}

// logPrefix starts the kernel log lines of rules with action Log; it is Calico's.
const logPrefix = "calico-packet: "

// comment makes text fit for a rule's comment: the nft tool wants at most 128 bytes, and no quotes.
func comment(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '"' {
			return '\''
		}
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
	return strings.TrimRight(s[:min(len(s), 120)], " ")
}

func setsOf(m *rule.Match) []rule.SetID {
	var out []rule.SetID
	for _, side := range []*rule.Side{&m.Src, &m.Dst} {
		for _, list := range [][]rule.Set{side.Sets, side.NotSets, side.PortSets, side.NotPortSets} {
			for _, s := range list {
				out = append(out, s.ID)
			}
		}
	}
	return out
}

func constsOf(rules []ruleSpec) []*constSet {
	var out []*constSet
	for _, r := range rules {
		for _, s := range r.stmts {
			if x, ok := s.(in); ok && x.konst != nil {
				out = append(out, x.konst)
			}
		}
	}
	return out
}
