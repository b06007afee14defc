// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"iter"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/scratch"
	"github.com/weftnet/weft/policy/rule"
)

// active holds the policies and profiles in use, mostly by local endpoints, and keeps the IP sets that they refer to in use.
type active struct {
	out     *table[rule.PolicyID, *desired.Policy]
	sets    *ipSets
	uses    map[rule.PolicyID]int
	dirty   map[rule.PolicyID]struct{}
	content func(rule.PolicyID) *desired.Policy
}

func newActive(sets *ipSets) *active {
	return &active{out: newTable(desired.ComparePolicies, (*desired.Policy).Equal), sets: sets, uses: map[rule.PolicyID]int{}, dirty: map[rule.PolicyID]struct{}{}}
}

// use counts one use more (by 1) or less (by -1) of each policy.
func (a *active) use(ids iter.Seq[rule.PolicyID], by int) {
	for id := range ids {
		if a.uses[id] += by; a.uses[id] == 0 {
			delete(a.uses, id)
		}
		a.touch(id)
	}
}

// touch notes that the content or the use of a policy changed.
func (a *active) touch(id rule.PolicyID) { a.dirty[id] = struct{}{} }

// flush brings the table up to date. Whatever is in use exists.
func (a *active) flush() {
	for id := range a.dirty {
		if a.uses[id] > 0 {
			a.put(a.content(id))
		} else {
			a.remove(id)
		}
	}
	scratch.Empty(&a.dirty)
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
