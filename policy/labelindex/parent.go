// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"slices"
	"strings"
)

// parent is a source of inherited labels, kept while it has labels or classes that name it.
type parent[ItemID, SelID comparable] struct {
	name    string
	labels  []label // sorted by name
	classes set[*class[ItemID, SelID]]
}

// fewSelectors is up to how many selectors are judged singly against each class when a parent changes; with more, the
// classes are matched anew through the index.
const fewSelectors = 8

// UpdateParent adds a parent or replaces its labels. labels is not kept.
func (x *Index[ItemID, SelID]) UpdateParent(name string, labels map[string]string) {
	p := x.parentOf(name)
	old := p.labels
	now := Labels(labels)
	sortLabels(now)
	p.labels = intern(now, old)
	changed := map[labelName]struct{}{}
	for _, l := range difference(old, p.labels) {
		x.parentsBy.remove(l, p)
		changed[l.name] = struct{}{}
	}
	for _, l := range difference(p.labels, old) {
		x.parentsBy.add(l, p)
		changed[l.name] = struct{}{}
	}
	x.rematch(p, x.mentioning(changed))
	x.tidyParent(p)
}

// DeleteParent removes a parent's labels; items may still name it. An unknown parent is ignored.
func (x *Index[ItemID, SelID]) DeleteParent(name string) {
	if _, ok := x.parents[name]; ok {
		x.UpdateParent(name, nil)
	}
}

func (p *parent[ItemID, SelID]) is(name string) bool { return p.name == name }

func (x *Index[ItemID, SelID]) parentOf(name string) *parent[ItemID, SelID] {
	p, ok := x.parents[name]
	if !ok {
		name = strings.Clone(name)
		p = &parent[ItemID, SelID]{name: name}
		x.parents[name] = p
	}
	return p
}

func (x *Index[ItemID, SelID]) tidyParent(p *parent[ItemID, SelID]) {
	if len(p.labels) == 0 && p.classes.len() == 0 {
		delete(x.parents, p.name)
	}
}

// difference returns what is in a and not in b.
func difference(a, b []label) []label {
	var out []label
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, l)
		}
	}
	return out
}

// mentioning returns the selectors that look at one of the labels.
func (x *Index[ItemID, SelID]) mentioning(names map[labelName]struct{}) []*sel[SelID] {
	var out []*sel[SelID]
	for n := range names {
		if s, ok := x.mentions[n]; ok {
			out = slices.AppendSeq(out, s.all())
		}
	}
	return bySeq(out)
}

// rematch judges affected selectors again for the classes of p.
func (x *Index[ItemID, SelID]) rematch(p *parent[ItemID, SelID], affected []*sel[SelID]) {
	if len(affected) == 0 {
		return
	}
	for c := range p.classes.all() {
		if len(affected) > fewSelectors {
			x.replace(c, x.selecting(c))
			continue
		}
		for _, s := range affected {
			x.judge(c, s)
		}
	}
}

// replace sets the selectors of a class and tells what changed.
func (x *Index[ItemID, SelID]) replace(c *class[ItemID, SelID], sels []*sel[SelID]) {
	old := c.sels
	c.sels = sels
	eachMissing(sels, old, func(s *sel[SelID]) { x.started(s, c) })
	eachMissing(old, sels, func(s *sel[SelID]) { x.stopped(s, c) })
}
