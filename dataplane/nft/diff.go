// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/sys/nft"
)

// held is what the kernel holds in our table.
type held struct {
	table  bool
	plain  bool // the table is active
	chains map[string]nft.Chain
	rules  map[string][]nft.Rule
	sets   map[string]nft.SetInfo
}

func readTable(c *nft.Conn) (*held, error) {
	h := &held{chains: map[string]nft.Chain{}, rules: map[string][]nft.Rule{}, sets: map[string]nft.SetInfo{}}
	var err error
	if h.table, h.plain, err = c.Table(tableName); err != nil || !h.table {
		return h, err
	}
	chains, err := c.Chains(tableName)
	if err != nil {
		return nil, err
	}
	for _, ch := range chains {
		h.chains[ch.Name] = ch
	}
	rules, err := c.Rules(tableName, "")
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		h.rules[r.Chain] = append(h.rules[r.Chain], r)
	}
	sets, err := c.Sets(tableName)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		h.sets[s.Name] = s
	}
	return h, nil
}

// difference is a plan that turns what the kernel holds into the whole table.
type difference struct {
	plan
	// rebuild: something cannot be changed in place; delete the table and write it anew, in the same transaction.
	rebuild bool
	// count of objects and elements that differ.
	count int
}

// diff compares a plan of the whole table with what the kernel holds.
func diff(c *nft.Conn, whole *plan, h *held) (*difference, error) {
	d := &difference{}
	if !h.table {
		d.plan, d.count = *whole, 1
		d.addTable = true
		return d, nil
	}
	d.rebuild = !h.plain
	d.sets(whole, h)
	d.chains(whole, h)
	if !d.rebuild {
		if err := d.keys(c, whole, h); err != nil {
			return nil, err
		}
		if err := d.verdicts(c, whole, h); err != nil {
			return nil, err
		}
	}
	if d.rebuild {
		d.plan, d.count = *whole, max(d.count, 1)
		d.addTable = true
	}
	d.sort()
	return d, nil
}

func (d *difference) sets(whole *plan, h *held) {
	left := maps.Clone(h.sets)
	for _, s := range whole.addSets {
		has, ok := left[s.set.Name]
		delete(left, s.set.Name)
		switch {
		case !ok:
			d.addSets = append(d.addSets, s)
		case !has.Is(s.set):
			d.rebuild = true
		}
	}
	d.dropSets = slices.Collect(maps.Keys(left))
	d.count += len(d.addSets) + len(d.dropSets)
}

func (d *difference) chains(whole *plan, h *held) {
	left := maps.Clone(h.chains)
	for _, w := range whole.chains {
		has, ok := left[w.chain.Name]
		delete(left, w.chain.Name)
		w.fresh = !ok
		switch {
		case !ok:
		case !sameHook(has.Hook, w.chain.Hook):
			d.rebuild = true
		case !differs(h.rules[w.chain.Name], w.rules):
			continue
		}
		d.plan.chains = append(d.plan.chains, w)
	}
	d.dropChains = slices.Collect(maps.Keys(left))
	d.count += len(d.plan.chains) + len(d.dropChains)
}

func sameHook(a, b *nft.Hook) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// keys compares the elements of sets. Those of constant sets cannot change while a rule uses them: where they differ, all is built anew.
func (d *difference) keys(c *nft.Conn, whole *plan, h *held) error {
	want := map[string][]keyChange{}
	for _, k := range whole.keys {
		want[k.set.Name] = append(want[k.set.Name], k)
	}
	for _, s := range whole.addSets {
		if s.set.Verdicts {
			continue
		}
		if _, ok := h.sets[s.set.Name]; !ok {
			d.plan.keys = append(d.plan.keys, want[s.set.Name]...)
			continue
		}
		have, err := c.Keys(tableName, s.set)
		if err != nil {
			return err
		}
		changes := diffKeys(s, want[s.set.Name], have)
		d.rebuild = d.rebuild || s.set.Constant && len(changes) > 0
		d.plan.keys = append(d.plan.keys, changes...)
		for _, k := range changes {
			d.count += (len(k.add) + len(k.del)) / s.set.Width()
		}
	}
	return nil
}

// diffKeys returns what is missing, for whom it is wanted, and what is too much.
func diffKeys(s setAdd, want []keyChange, have []byte) []keyChange {
	width := s.set.Width()
	extra := make(map[string]struct{}, len(have)/width)
	for k := range slices.Chunk(have, width) {
		extra[string(k)] = struct{}{}
	}
	var out []keyChange
	for _, w := range want {
		missing := keyChange{set: w.set, tag: w.tag}
		for k := range slices.Chunk(w.add, width) {
			if _, ok := extra[string(k)]; ok {
				delete(extra, string(k))
				continue
			}
			missing.add = append(missing.add, k...)
		}
		if len(missing.add) > 0 {
			out = append(out, missing)
		}
	}
	surplus := keyChange{set: s.set, tag: s.tag}
	for k := range extra {
		surplus.del = append(surplus.del, k...)
	}
	if len(surplus.del) > 0 {
		out = append([]keyChange{surplus}, out...)
	}
	return out
}

func (d *difference) verdicts(c *nft.Conn, whole *plan, h *held) error {
	want := map[string][]verdictChange{}
	for _, v := range whole.verdicts {
		want[v.set.Name] = append(want[v.set.Name], v)
	}
	for _, s := range whole.addSets {
		if !s.set.Verdicts {
			continue
		}
		have := map[string]nft.Verdict{}
		if _, ok := h.sets[s.set.Name]; ok {
			var err error
			if have, err = c.Verdicts(tableName, s.set); err != nil {
				return err
			}
		}
		changes := diffVerdicts(s, want[s.set.Name], have)
		_, there := h.sets[s.set.Name]
		d.rebuild = d.rebuild || s.set.Constant && there && len(changes) > 0
		d.plan.verdicts = append(d.plan.verdicts, changes...)
		d.count += len(changes)
	}
	return nil
}

func diffVerdicts(s setAdd, want []verdictChange, have map[string]nft.Verdict) []verdictChange {
	var out []verdictChange
	for _, w := range want {
		has, ok := have[string(w.key)]
		delete(have, string(w.key))
		if ok && has == *w.now {
			continue
		}
		if ok {
			w.old = &has
		}
		out = append(out, w)
	}
	for key, has := range have {
		out = append(out, verdictChange{set: s.set, key: []byte(key), old: &has, tag: s.tag})
	}
	return out
}
