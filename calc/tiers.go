// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// tier is a tier and the policies in it.
type tier struct {
	rule.Tier
	exists bool
	fixed  bool // exists without an object and has its own values
	holds  map[*policy]struct{}
}

// tier returns a tier by name, made if need be.
func (s *policies) tier(name string) *tier {
	t, ok := s.tiers[name]
	if !ok {
		t = &tier{Tier: rule.Tier{Name: name}, holds: map[*policy]struct{}{}}
		s.tiers[name] = t
	}
	return t
}

// forget drops a tier that neither exists nor is named.
func (s *policies) forget(name string) {
	if t := s.tiers[name]; t != nil && !t.exists && len(t.holds) == 0 {
		delete(s.tiers, name)
	}
}

func (s *policies) putTier(key api.Key, obj *v3.Tier) api.FieldErrors {
	t := s.tier(key.Name)
	if t.fixed {
		return nil // validation lets no other values pass
	}
	compiled, err := rule.CompileTier(obj)
	if err != nil {
		return fieldErrors(err)
	}
	t.Tier, t.exists = compiled, true
	for p := range t.holds {
		s.touchTargets(p)
		s.enforce(p)
	}
	return nil
}

func (s *policies) removeTier(key api.Key) {
	t, ok := s.tiers[key.Name]
	if !ok || t.fixed {
		return
	}
	t.exists = false
	for p := range t.holds {
		s.enforce(p)
	}
	s.forget(key.Name)
}

// fixedTier is what a tier that always exists compiles to.
func fixedTier(obj *v3.Tier) rule.Tier {
	out := rule.Tier{Name: obj.Name, Order: obj.Spec.Order, DefaultAction: rule.Deny}
	if obj.Spec.DefaultAction == v3.Pass {
		out.DefaultAction = rule.Pass
	}
	return out
}
