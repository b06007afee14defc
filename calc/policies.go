// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
)

// policies holds all compiled policies and finds the targets that they select if their tier exists.
type policies struct {
	index  *labelindex.Index[*target, *policy]
	byID   map[rule.PolicyID]*policy
	tiers  map[string]*tier // all that exist or that policies name
	notes  problems         // fields of policies that have no effect yet
	active *active
}

// policy is a compiled policy.
type policy struct {
	rule.Policy
	out  *desired.Policy
	kept bool // in use because it is for all nodes
}

func newPolicies(active *active) *policies {
	s := &policies{byID: map[rule.PolicyID]*policy{}, tiers: map[string]*tier{}, notes: problems{}, active: active}
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
			s.touchTargets(p)
		}
		delete(s.tier(p.Tier).holds, p)
		s.forget(p.Tier)
	}
	if p.Replaces != compiled.Replaces {
		s.stage(p.ID)
	}
	p.Policy, p.out = *compiled, output(compiled)
	s.tier(p.Tier).holds[p] = struct{}{}
	s.active.touch(p.ID)
	s.enforce(p)
}

func (s *policies) remove(id rule.PolicyID) {
	p, ok := s.byID[id]
	if !ok {
		return
	}
	delete(s.byID, id)
	if p.Replaces {
		s.stage(id)
	}
	delete(s.tier(p.Tier).holds, p)
	s.forget(p.Tier)
	s.index.DeleteSelector(p)
	s.keep(p, false)
}

// enforce lets a policy select targets if its tier exists and it governs a direction.
func (s *policies) enforce(p *policy) {
	inForce := s.tier(p.Tier).exists && p.Types != [2]bool{}
	if inForce {
		s.index.UpdateSelector(p, p.Selector)
	} else {
		s.index.DeleteSelector(p)
	}
	s.keep(p, inForce && p.Everywhere)
}

// keep has a policy ready without an endpoint that needs it, or no longer.
func (s *policies) keep(p *policy, kept bool) {
	if kept == p.kept {
		return
	}
	p.kept = kept
	by := -1
	if kept {
		by = 1
	}
	s.active.use(slices.Values([]rule.PolicyID{p.ID}), by)
}

// sameRank tells whether two versions of a policy have the same place among the policies of a target.
func sameRank(a, b *rule.Policy) bool {
	return a.Tier == b.Tier && a.Types == b.Types && rule.ComparePolicies(a, b) == 0 &&
		a.DoNotTrack == b.DoNotTrack && a.PreDNAT == b.PreDNAT && a.ApplyOnForward == b.ApplyOnForward
}

// touchTargets has the endpoints that p selects worked out again.
func (s *policies) touchTargets(p *policy) {
	for t := range s.index.Items(p) {
		t.touch()
	}
}

func (s *policies) matchStarted(p *policy, t *target) {
	t.policies[p] = struct{}{}
	t.touch()
}

func (s *policies) matchStopped(p *policy, t *target) {
	delete(t.policies, p)
	t.touch()
}

// problems reports policies whose tier does not exist.
func (s *policies) problems() problems {
	out := problems{}
	for name, t := range s.tiers {
		if t.exists {
			continue
		}
		for p := range t.holds {
			if p.Types == [2]bool{} {
				continue // a staged policy that adds nothing
			}
			out.add(policyKey(p.ID), "spec.tier", "tier "+name+" does not exist, so the policy is not enforced; create the tier or name another one")
		}
	}
	return out
}
