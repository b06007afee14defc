// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// wanted says which IP sets enforced policies refer to. Others are in the view for the preview of staged policies: the kernel is not given them.
type wanted struct {
	sets   map[rule.PolicyID][]rule.SetID
	counts map[rule.SetID]int // of policies
	looked map[rule.SetID]struct{}
}

// frameSets are those that rules of the frame refer to.
var frameSets = []rule.SetID{desired.TunnelPeers, desired.NATSources, desired.NATInside}

// newWanted begins with what the frame refers to.
func newWanted() wanted {
	w := wanted{sets: map[rule.PolicyID][]rule.SetID{}, counts: map[rule.SetID]int{}}
	for _, id := range frameSets {
		w.counts[id] = 1
	}
	return w
}

// put takes in a new, changed or, with nil, removed policy.
func (w *wanted) put(id rule.PolicyID, p *desired.Policy) {
	old := w.sets[id]
	delete(w.sets, id)
	if p != nil && !id.Kind.Staged() {
		w.sets[id] = setsOfPolicy(p)
	}
	for _, set := range w.sets[id] {
		w.counts[set]++
		w.looked[set] = struct{}{}
	}
	for _, set := range old {
		if w.counts[set]--; w.counts[set] == 0 {
			delete(w.counts, set)
		}
		w.looked[set] = struct{}{}
	}
}

func setsOfPolicy(p *desired.Policy) []rule.SetID {
	var out []rule.SetID
	for _, rules := range p.Rules {
		for i := range rules {
			out = append(out, setsOf(&rules[i].Match)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// putWanted takes in all of the sets that came to be wanted, and were there before; putSet leaves out those that are not wanted.
func (l *ledger) putWanted() error {
	for _, id := range slices.Sorted(maps.Keys(l.wanted.looked)) {
		s, ok := l.view.IPSet(id)
		if l.sets[id] != nil || !ok {
			continue
		}
		if err := l.putSet(whole(s)); err != nil {
			return &refusal{setUnit(id), err}
		}
	}
	return nil
}

// dropUnwanted takes away the sets that nothing wants any more.
func (l *ledger) dropUnwanted() {
	for id := range l.wanted.looked {
		if l.wanted.counts[id] == 0 {
			l.dropSet(id)
		}
	}
}
