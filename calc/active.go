// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// active holds the policies and profiles in front of local endpoints, and keeps the IP sets that they refer to in use.
type active struct {
	out  *table[rule.PolicyID, *desired.Policy]
	sets *ipSets
}

func newActive(sets *ipSets) *active {
	return &active{out: newTable(desired.ComparePolicies, (*desired.Policy).Equal), sets: sets}
}

func (a *active) put(p *desired.Policy) {
	old, ok := a.out.get(p.ID)
	if old == p {
		return
	}
	for set := range p.Sets() {
		a.sets.retain(set)
	}
	if ok {
		a.release(old)
	}
	a.out.put(p.ID, p)
}

func (a *active) remove(id rule.PolicyID) {
	if old, ok := a.out.get(id); ok {
		a.release(old)
		a.out.remove(id)
	}
}

func (a *active) release(p *desired.Policy) {
	for set := range p.Sets() {
		a.sets.release(set.ID)
	}
}
