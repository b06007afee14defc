// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"
	"iter"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// stage says what verdicts mean where policy is evaluated.
type stage struct {
	dir         rule.Direction
	allow, deny string // targets
	// back: an allowed packet returns with own.JudgedMark on it, so that every jump is followed by a return for such packets.
	back bool
	// open: no match leaves the tier, whatever its default action.
	open bool
}

func (s stage) key() string {
	return fmt.Sprintf("%d %q %q %v %v ", s.dir, s.allow, s.deny, s.back, s.open)
}

// evaluation is tiers in order, then profiles, then what happens to packets that nothing decided about.
type evaluation struct {
	stage
	before   []string // rules in front
	tiers    []desired.TierPolicies
	profiles []rule.PolicyID
	end      string // target; empty: back to where the packet came from
}

func (e evaluation) key() string {
	return e.stage.key() + fmt.Sprintf("%q ", e.before) + keyOf(e.tiers...) + fmt.Sprintf("profiles %q end %q", e.profiles, e.end)
}

func keyOf(tiers ...desired.TierPolicies) string {
	out := ""
	for _, t := range tiers {
		out += fmt.Sprintf("tier %q %d %q ", t.Tier, t.DefaultAction, t.Policies)
	}
	return out
}

// policies yields what an evaluation is about.
func (e evaluation) policies() iter.Seq[rule.PolicyID] {
	return func(yield func(rule.PolicyID) bool) {
		for _, t := range e.tiers {
			for _, id := range t.Policies {
				if !yield(id) {
					return
				}
			}
		}
		for _, id := range e.profiles {
			if !yield(id) {
				return
			}
		}
	}
}

// evaluate renders the chain of an evaluation and returns its name.
func (b *builder) evaluate(e evaluation, tag unit) (string, error) {
	name := chainName("e", e.key())
	if b.has(name) {
		return name, nil
	}
	rules, err := b.evaluation(e)
	if err != nil {
		return "", err
	}
	b.put(name, rules, tag)
	b.keep(name, e)
	return name, nil
}

// evaluation renders the rules of an evaluation. What follows a tier that never passes is left out: nothing gets there.
func (b *builder) evaluation(e evaluation) ([]string, error) {
	rules := slices.Clone(e.before)
	for _, t := range e.tiers {
		passes, err := b.canPass(t, e.dir)
		if err != nil {
			return nil, err
		}
		more, err := b.tierIn(t, e.stage, passes)
		if err != nil {
			return nil, err
		}
		rules = append(rules, more...)
		if t.DefaultAction != rule.Pass && !passes && !e.open {
			return rules, nil
		}
	}
	for _, id := range e.profiles {
		more, err := b.step(id, e.stage)
		if err != nil {
			return nil, err
		}
		rules = append(rules, b.renderStep(more, e.stage)...)
	}
	if e.end != "" {
		rules = append(rules, branch{}.rule("no policy or profile allows it", e.end))
	}
	return rules, nil
}

// canPass reports whether one of a tier's policies can leave it.
func (b *builder) canPass(t desired.TierPolicies, dir rule.Direction) (bool, error) {
	for _, id := range t.Policies {
		p, err := b.policy(id)
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

func (b *builder) policy(id rule.PolicyID) (*desired.Policy, error) {
	if p, ok := b.view.Policy(id); ok {
		return p, nil
	}
	return nil, fmt.Errorf("%v is referred to and not there", id)
}

// tierIn renders a tier in place, or if packets can pass from it as a chain of its own, so that passing is a return and needs no mark.
func (b *builder) tierIn(t desired.TierPolicies, s stage, own bool) ([]string, error) {
	if !own {
		return b.tier(t, s, false)
	}
	name := chainName("t", s.key()+keyOf(t))
	if _, fresh := b.fresh[name]; !fresh {
		rules, err := b.tier(t, s, true)
		if err != nil {
			return nil, err
		}
		b.put(name, rules, unit{})
		b.fresh[name] = struct{}{}
	}
	return b.renderStep(step{target: name, comment: "tier " + t.Tier}, s), nil
}

// tier renders the policies of a tier and its default action. With own it is in a chain of its own.
func (b *builder) tier(t desired.TierPolicies, s stage, own bool) ([]string, error) {
	var steps []step
	for _, id := range t.Policies {
		p, err := b.policy(id)
		if err != nil {
			return nil, err
		}
		var st step
		if own && canPass(p, s.dir) {
			st, err = b.rules(p, s, true)
			st.peers = nil // a return from a group would not leave the tier
		} else {
			st, err = b.step(id, s)
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, st)
	}
	var rules []string
	for _, st := range b.grouped(steps, s) {
		rules = append(rules, b.renderStep(st, s)...)
	}
	if t.DefaultAction != rule.Pass && !s.open {
		rules = append(rules, branch{}.rule("tier "+t.Tier+": no policy matched", s.deny))
	}
	return rules, nil
}

// step is one step of an evaluation: a jump to a chain, for packets that the chain may concern; or rules.
type step struct {
	target  string   // chain; empty: none
	common  branch   // what all rules of the chain ask for
	peers   []string // each rule asks for the peer to be in one of them, see criterion; nil: some do not
	comment string
	inline  []string
}

// renderStep renders a step.
func (b *builder) renderStep(st step, s stage) []string {
	if st.target == "" {
		return st.inline
	}
	rules := []string{st.common.rule(st.comment, jump(st.target))}
	if s.back {
		rules = append(rules, returnJudged)
	}
	return rules
}

// step renders the chain of a policy, which all endpoints share, and returns the jump to it. A policy without rules in the direction is no step.
func (b *builder) step(id rule.PolicyID, s stage) (step, error) {
	name := chainName("p", s.key()+fmt.Sprintf("%q", id))
	if st, ok := b.steps[id][name]; ok && (st.target == "" || b.chains[name] != nil) {
		return st, nil
	}
	p, err := b.policy(id)
	if err != nil {
		return step{}, err
	}
	st, err := b.rules(p, s, id.Kind == rule.KindProfile)
	if err != nil {
		return step{}, err
	}
	if len(st.inline) > 0 {
		b.put(name, st.inline, policyUnit(id))
		st.target, st.inline, st.comment = name, nil, "policy "+policyName(id)
	}
	if b.steps[id] == nil {
		b.steps[id] = map[string]step{}
	}
	b.steps[id][name] = st
	return st, nil
}

// rules renders the rules of a policy in place. With pass, a return means to leave the tier, or in a profile to go on with the next.
func (b *builder) rules(p *desired.Policy, s stage, pass bool) (step, error) {
	var st step
	anybody := false
	for i := range p.Rules[s.dir] {
		r := &p.Rules[s.dir][i]
		target, err := targetOf(r.Action, s, pass)
		m := matcher{fam: b.fam, dir: s.dir, sets: b.sets}
		branches := m.match(&r.Match)
		if err == nil {
			err = m.err
		}
		if err != nil {
			return step{}, &refusal{policyUnit(p.ID), fmt.Errorf("rule %d (%s): %w", r.Index, r.ID, err)}
		}
		for _, br := range branches {
			if len(st.inline) == 0 {
				st.common = br
			} else {
				st.common = st.common.intersect(br)
			}
			st.inline = append(st.inline, br.rule(ruleComment+string(r.ID)+" "+r.Text, target))
			st.peers = append(st.peers, br.peer())
			anybody = anybody || br.peer() == ""
		}
	}
	if anybody {
		st.peers = nil
	}
	return st, nil
}

// intersect is what both ask for. Ports in common of different protocols are no test by themselves.
func (b branch) intersect(other branch) branch {
	var out branch
	for _, c := range b {
		if slices.Contains(other, c) {
			out = append(out, c)
		}
	}
	if !slices.ContainsFunc(out, func(c criterion) bool { return c.rank == rankProtocol }) {
		out = slices.DeleteFunc(out, func(c criterion) bool { return c.ofProtocol })
	}
	return out
}

// targetOf is what a matching rule does.
func targetOf(a rule.Action, s stage, pass bool) (string, error) {
	switch {
	case a == rule.Allow:
		return s.allow, nil
	case a == rule.Deny:
		return s.deny, nil
	case a == rule.Log:
		return logged, nil
	case a == rule.Pass && pass:
		return returns, nil
	}
	return "", fmt.Errorf("action %d is not possible here", a)
}

// logged starts kernel log lines as Calico does.
const logged = "-j LOG --log-prefix \"calico-packet: \""
