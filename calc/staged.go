// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"reflect"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// replaced tells whether a staged policy would take the place of p.
func (s *policies) replaced(p *policy) bool {
	id, ok := p.ID.Staged()
	if !ok {
		return false
	}
	staged, ok := s.byID[id]
	return ok && staged.Replaces
}

// stage has the endpoints worked out again that a policy is enforced at when its staged counterpart comes or goes.
func (s *policies) stage(staged rule.PolicyID) {
	if p, ok := s.byID[staged.Enforced()]; ok {
		s.touchTargets(p)
	}
}

// preview returns what the tiers of a workload would be if all staged policies were put in force; nil if they would be as they are now.
func (s *policies) preview(ordered []*policy, now *[2][]desired.TierPolicies) *[2][]desired.TierPolicies {
	if !slices.ContainsFunc(ordered, func(p *policy) bool { return p.ID.Kind.Staged() || s.replaced(p) }) {
		return nil
	}
	var out [2][]desired.TierPolicies
	for d := range out {
		out[d] = s.arrange(ordered, rule.Direction(d), func(p *policy) bool { return !p.HostOnly() && !s.replaced(p) })
	}
	if reflect.DeepEqual(&out, now) {
		return nil
	}
	return &out
}

// enforced leaves staged policies out of a list.
func enforced(list []*policy) []*policy {
	return slices.DeleteFunc(list, func(p *policy) bool { return p.ID.Kind.Staged() })
}
