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
	"github.com/weftnet/weft/sys/nft"
)

// chainSpec says what a chain is made from. Chains of tiers and endpoints are named by a hash of it, so equal ones are one.
type chainSpec struct {
	name string
	fam  *family
	role *role
	// policy: the rules of one policy; else the evaluation of tiers, and what follows.
	policy   rule.PolicyID
	isPolicy bool
	tiers    []desired.TierPolicies
	profiles []rule.PolicyID
	end      ending
	indexed  bool // one tier, by peer
	// fixed: what a look-up leads to, or a guard.
	fixed *fixed
	// hook and owner are a guard's, which changes under its name.
	hook  *nft.Hook
	owner unit
}

// ending is what follows tiers that leave a packet undecided.
type ending uint8

const (
	tierEnd    ending = iota // nothing: it is a tier by itself, and returns when it passes
	profileEnd               // profiles, and no match there denies
	openEnd                  // the packet goes on as if allowed
)

func policySpec(id rule.PolicyID, r *role, f *family) chainSpec {
	return chainSpec{name: policyChain(id, r, f), fam: f, role: r, policy: id, isPolicy: true}
}

// endpointSpec is what decides about packets of an endpoint.
func endpointSpec(r *role, f *family, tiers []desired.TierPolicies, end ending, profiles []rule.PolicyID) chainSpec {
	s := chainSpec{fam: f, role: r, tiers: tiers, end: end}
	if end == profileEnd {
		s.profiles = profiles
	}
	s.name = "ep/" + s.tail()
	return s
}

// tierSpec is one tier by itself.
func (s chainSpec) tierSpec(t desired.TierPolicies) chainSpec {
	out := chainSpec{fam: s.fam, role: s.role, tiers: []desired.TierPolicies{t}}
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
func (s chainSpec) tail() string { return s.role.tag + s.fam.tag + "/" + s.hash() }

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
	switch s.end {
	case profileEnd:
		b = append(b, "profiles "...)
		policies(s.profiles)
	case openEnd:
		b = append(b, "open "...)
	}
	return hash(b)
}

// Levels of chains: endpoints, indexed tiers, tiers, policies, rules about a port, rules of look-ups.
const (
	endpointLevel = iota
	indexLevel
	tierLevel
	policyLevel
	portLevel
	hitLevel
	levels
)

func (s chainSpec) level() int {
	switch {
	case s.fixed != nil && len(s.fixed.jumps) > 0:
		return portLevel
	case s.fixed != nil:
		return hitLevel
	case s.isPolicy:
		return policyLevel
	case s.end != tierEnd:
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
	policy  func(rule.PolicyID) (*desired.Policy, bool)
	shape   func(rule.SetID) (shape, bool)
	options Options
}

// chain renders a chain.
func (r renderer) chain(s chainSpec) (rendered, error) {
	var out rendered
	var err error
	switch {
	case s.fixed != nil:
		out.rules, out.jumps = s.fixed.rules, s.fixed.jumps
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
	return nil, fmt.Errorf("%v is referred to and not there", id)
}

// evaluation renders tiers in order, and what follows. That is left out behind a tier that never passes: nothing gets there.
func (r renderer) evaluation(out *rendered, s chainSpec) error {
	for _, t := range s.tiers {
		passes, err := r.hasPass(t.Policies, s.role.dir)
		if err != nil {
			return err
		}
		var split split
		worth := false
		if s.end != tierEnd {
			split, worth = r.split(t, s.role.dir, s.fam)
			out.sets = append(out.sets, split.sets...)
		}
		switch {
		case worth:
			out.jump(s.indexSpec(t))
		case s.end != tierEnd && passes:
			out.jump(s.tierSpec(t))
		default:
			if err := r.tier(out, s, t); err != nil {
				return err
			}
		}
		if s.denies(t) && !passes {
			return nil
		}
	}
	return r.ending(out, s)
}

// denies reports whether the end of a tier denies.
func (s chainSpec) denies(t desired.TierPolicies) bool {
	return t.DefaultAction != rule.Pass && !s.role.early
}

func (r renderer) ending(out *rendered, s chainSpec) error {
	switch {
	case s.end == openEnd && !s.role.early:
		out.rules = append(out.rules, ruleSpec{stmts: s.role.allow(s.fam)})
	case s.end == profileEnd:
		for _, id := range s.profiles {
			if err := r.policies(out, s, id); err != nil {
				return err
			}
		}
		out.rules = append(out.rules, ruleSpec{[]stmt{counter{}, s.role.deny}, "no profile matched"})
	}
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

// tier renders the policies of a tier and its default action. Where a look-up of the port does not pay for policies in a row, the next attempt
// comes behind half of them, so that the cost does not grow with the square of their number.
func (r renderer) tier(out *rendered, s chainSpec, t desired.TierPolicies) error {
	left, err := r.withRules(t.Policies, s.role.dir)
	if err != nil {
		return err
	}
	for singly := 0; len(left) > 0; singly-- {
		n, err := r.merged(out, s, left)
		if n == 0 && err == nil && singly <= 0 {
			var row int
			if n, row, err = r.byPort(out, s, left); n == 0 {
				singly = row / 2
			}
		}
		if n == 0 && err == nil {
			n, err = 1, r.policies(out, s, left[0])
		}
		if err != nil {
			return err
		}
		left = left[n:]
	}
	if s.denies(t) {
		out.rules = append(out.rules, ruleSpec{[]stmt{counter{}, s.role.deny}, comment("tier " + t.Tier + ": no policy matched")})
	}
	return nil
}

// withRules leaves out the policies that say nothing in a direction.
func (r renderer) withRules(ids []rule.PolicyID, dir rule.Direction) ([]rule.PolicyID, error) {
	var out []rule.PolicyID
	for _, id := range ids {
		p, err := r.find(id)
		if err != nil {
			return nil, err
		}
		if len(p.Rules[dir]) > 0 {
			out = append(out, id)
		}
	}
	return out, nil
}

// policies renders one policy within a tier: a jump to its chain, shared by all endpoints; or, if it can pass, its rules, so that passing
// is a plain return from the tier's chain and needs no packet mark.
func (r renderer) policies(out *rendered, s chainSpec, id rule.PolicyID) error {
	p, err := r.find(id)
	switch {
	case err != nil || len(p.Rules[s.role.dir]) == 0:
		return err
	case canPass(p, s.role.dir) && s.end == tierEnd:
		return r.rules(out, s, p, true)
	}
	out.jump(policySpec(id, s.role, s.fam))
	return nil
}

func (o *rendered) jump(s chainSpec) {
	o.jumps = append(o.jumps, s)
	o.rules = append(o.rules, ruleSpec{stmts: []stmt{jump(s.name)}})
}

// rules renders the rules of a policy. With pass, a return means to leave the tier, or in a profile to go on with the next one.
func (r renderer) rules(out *rendered, s chainSpec, p *desired.Policy, pass bool) error {
	for left := p.Rules[s.role.dir]; len(left) > 0; left = left[1:] {
		if n := r.run(nil, left, s.fam); n >= mergeFrom {
			if err := r.lookup(out, s, left[:n], pass); err != nil {
				return err
			}
			left = left[n-1:]
			continue
		}
		rl := &left[0]
		end, err := action(rl.Action, s, pass)
		if err != nil {
			return fmt.Errorf("rule %d (%s): %w", rl.Index, rl.ID, err)
		}
		m := matcher{fam: s.fam, shape: r.shape}
		for _, branch := range m.match(&rl.Match) {
			out.rules = append(out.rules, ruleSpec{append(branch, end...), ruleText(rl)})
		}
		if m.err != nil {
			return fmt.Errorf("rule %d (%s): %w", rl.Index, rl.ID, m.err)
		}
		out.sets = append(out.sets, setsOf(&rl.Match)...)
	}
	return nil
}

// ruleText is the comment by which a rule's packets are counted.
func ruleText(r *rule.Rule) string { return comment(ruleComment + string(r.ID) + " " + r.Text) }

// action renders what a matching rule does.
func action(a rule.Action, s chainSpec, pass bool) ([]stmt, error) {
	switch {
	case a == rule.Allow:
		return append([]stmt{counter{}}, s.role.allow(s.fam)...), nil
	case a == rule.Deny:
		return []stmt{counter{}, s.role.deny}, nil
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
			switch x := s.(type) {
			case in:
				if x.konst != nil {
					out = append(out, x.konst)
				}
			case choose:
				out = append(out, x.konst)
			}
		}
	}
	return out
}
