// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"slices"

	"github.com/weftnet/weft/sys/nft"
)

// plan is what a change asks of the kernel. A plan from nothing is the whole table.
type plan struct {
	addTable   bool
	addSets    []setAdd
	keys       []keyChange
	chains     []chainWrite
	verdicts   []verdictChange
	dropChains []string
	dropSets   []string
}

// setAdd creates a set.
type setAdd struct {
	set *nft.Set
	tag unit
}

// chainWrite gives a chain its rules; a fresh one is created.
type chainWrite struct {
	chain nft.Chain
	fresh bool
	rules []ruleSpec
	tag   unit
}

// verdictChange sets, changes or deletes an element of a verdict map.
type verdictChange struct {
	set      *nft.Set
	key      []byte
	old, now *nft.Verdict // nil: absent
	tag      unit
}

// sort puts the plan in order where the order does not matter, so that equal plans are equal.
func (p *plan) sort() {
	slices.SortStableFunc(p.addSets, func(a, b setAdd) int { return cmp.Compare(a.set.Name, b.set.Name) })
	slices.SortStableFunc(p.chains, func(a, b chainWrite) int { return cmp.Compare(a.chain.Name, b.chain.Name) })
	slices.Sort(p.dropChains)
	slices.Sort(p.dropSets)
}

// steps splits a change in three transactions, of which only the second shows: new sets and chains, to which nothing
// refers yet; then everything that is in use; then what nothing refers to any more. A packet chooses its generation of rules when it enters a
// hook and that of sets at each lookup, so one in flight during a commit can mix them; and new sets of ranges of concatenated keys fill up after the
// rules of their transaction are in force. This way all mixtures find complete chains and sets.
func (p *plan) steps() []*plan {
	if !p.addTable && len(p.addSets)+len(p.chains)+len(p.dropChains)+len(p.dropSets) == 0 { // elements alone, or nothing
		return slices.DeleteFunc([]*plan{p}, (*plan).empty)
	}
	before, change, after := &plan{addTable: p.addTable, addSets: p.addSets}, &plan{}, &plan{dropChains: p.dropChains, dropSets: p.dropSets}
	created := map[string]bool{}
	for _, s := range p.addSets {
		created[s.set.Name] = true
	}
	for _, k := range p.keys {
		if created[k.set.Name] {
			before.keys = append(before.keys, k)
		} else {
			change.keys = append(change.keys, k)
		}
	}
	for _, v := range p.verdicts {
		if created[v.set.Name] {
			before.verdicts = append(before.verdicts, v)
		} else {
			change.verdicts = append(change.verdicts, v)
		}
	}
	for _, c := range p.chains {
		if c.fresh && (c.chain.Hook == nil || c.chain.Name == chainForwardOut) { // it takes over from a chain that changes
			before.chains = append(before.chains, c)
		} else {
			change.chains = append(change.chains, c)
		}
	}
	return slices.DeleteFunc([]*plan{before, change, after}, (*plan).empty)
}

func (p *plan) empty() bool {
	return !p.addTable && len(p.addSets)+len(p.keys)+len(p.chains)+len(p.verdicts)+len(p.dropChains)+len(p.dropSets) == 0
}
