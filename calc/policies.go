// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
)

// policies holds all compiled policies and finds those that are active: their tier exists and they select a local endpoint.
type policies struct {
	index  *labelindex.Index[*localEndpoint, *policy]
	byID   map[rule.PolicyID]*policy
	tiers  map[string]*tier // all that exist or that policies name
	dirty  map[*policy]struct{}
	notes  problems // fields of policies that have no effect yet
	locals *locals
}

// policy is a compiled policy.
type policy struct {
	rule.Policy
	out     *desired.Policy
	matches int // local endpoints that it selects
}

func newPolicies() *policies {
	s := &policies{byID: map[rule.PolicyID]*policy{}, tiers: map[string]*tier{}, dirty: map[*policy]struct{}{}, notes: problems{}}
	s.index = labelindex.New(s.matchStarted, s.matchStopped)
	for _, obj := range v3.FixedTiers() {
		t := s.tier(obj.Name)
		t.Tier, t.exists, t.fixed = fixedTier(obj), true, true
	}
	return s
}

// put adds or replaces a policy.
func (s *policies) put(compiled *rule.Policy) {
	p, ok := s.byID[compiled.ID]
	if !ok {
		p = &policy{Policy: rule.Policy{ID: compiled.ID}}
		s.byID[compiled.ID] = p
	} else {
		if !sameRank(&p.Policy, compiled) {
			s.touchEndpoints(p)
		}
		delete(s.tier(p.Tier).holds, p)
		s.forget(p.Tier)
	}
	p.Policy, p.out = *compiled, output(compiled)
	s.tier(p.Tier).holds[p] = struct{}{}
	s.dirty[p] = struct{}{}
	s.enforce(p)
}

func (s *policies) remove(id rule.PolicyID) {
	p, ok := s.byID[id]
	if !ok {
		return
	}
	delete(s.byID, id)
	delete(s.tier(p.Tier).holds, p)
	s.forget(p.Tier)
	s.index.DeleteSelector(p)
}

// enforce lets a policy select endpoints if its tier exists and it governs a direction.
func (s *policies) enforce(p *policy) {
	if s.tier(p.Tier).exists && p.Types != [2]bool{} {
		s.index.UpdateSelector(p, p.Selector)
	} else {
		s.index.DeleteSelector(p)
	}
}

// sameRank tells whether two versions of a policy have the same place among the policies of an endpoint.
func sameRank(a, b *rule.Policy) bool {
	return a.Tier == b.Tier && a.Types == b.Types && rule.ComparePolicies(a, b) == 0
}

// touchEndpoints has the endpoints that p selects worked out again.
func (s *policies) touchEndpoints(p *policy) {
	for ep := range s.index.Items(p) {
		s.locals.touch(ep)
	}
}

func (s *policies) matchStarted(p *policy, ep *localEndpoint) {
	p.matches++
	ep.policies[p] = struct{}{}
	s.dirty[p] = struct{}{}
	s.locals.touch(ep)
}

func (s *policies) matchStopped(p *policy, ep *localEndpoint) {
	p.matches--
	delete(ep.policies, p)
	s.dirty[p] = struct{}{}
	s.locals.touch(ep)
}

// flush hands the policies that became active, changed or stopped being active to out.
func (s *policies) flush(out *active) {
	for p := range s.dirty {
		switch {
		case p.matches > 0:
			out.put(p.out)
		case s.byID[p.ID] == p || s.byID[p.ID] == nil:
			out.remove(p.ID)
		}
	}
	clear(s.dirty)
}

// problems reports policies whose tier does not exist.
func (s *policies) problems() problems {
	out := problems{}
	for name, t := range s.tiers {
		if t.exists {
			continue
		}
		for p := range t.holds {
			out.add(policyKey(p.ID), "spec.tier", "tier "+name+" does not exist, so the policy is not enforced; create the tier or name another one")
		}
	}
	return out
}
