// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"iter"
	"slices"
	"unique"

	"github.com/weftnet/weft/policy/selector"
)

// UpdateSelector adds a selector or replaces the one with this id. Items that both select see neither a stop nor a start.
func (x *Index[ItemID, SelID]) UpdateSelector(id SelID, s *selector.Selector) {
	e, ok := x.sels[id]
	switch {
	case !ok:
		x.lastSeq++
		e = &sel[SelID]{id: id, seq: x.lastSeq}
		x.sels[id] = e
	case e.selector.String() == s.String():
		return
	default:
		x.unfile(e)
	}
	old := e.selector
	e.selector = s
	if old != nil {
		for c := range x.candidates(old) {
			x.judge(c, e)
		}
	}
	for c := range x.candidates(s) {
		x.judge(c, e)
	}
	x.file(e)
}

// DeleteSelector removes a selector; an unknown one is ignored.
func (x *Index[ItemID, SelID]) DeleteSelector(id SelID) {
	s, ok := x.sels[id]
	if !ok {
		return
	}
	for c := range x.candidates(s.selector) {
		if pos, found := slices.BinarySearchFunc(c.sels, s, compareSeq); found {
			c.sels = slices.Delete(c.sels, pos, pos+1)
			x.stopped(s, c)
		}
	}
	x.unfile(s)
	delete(x.sels, id)
}

// file enters a selector into the index.
func (x *Index[ItemID, SelID]) file(s *sel[SelID]) {
	for _, n := range s.selector.LabelNames() {
		h := unique.Make(n)
		s.names = append(s.names, h)
		users, ok := x.mentions[h]
		if !ok {
			users = &set[*sel[SelID]]{}
			x.mentions[h] = users
		}
		users.add(s)
	}
	s.place = x.cheapest(s.selector)
	if s.place.none {
		x.anywhere.add(s)
	} else {
		x.selsBy.addCondition(s.place, s)
	}
}

// unfile is the reverse of file.
func (x *Index[ItemID, SelID]) unfile(s *sel[SelID]) {
	for _, n := range s.names {
		x.mentions[n].remove(s)
		if x.mentions[n].len() == 0 {
			delete(x.mentions, n)
		}
	}
	s.names = nil
	if s.place.none {
		x.anywhere.remove(s)
	} else {
		x.selsBy.removeCondition(s.place, s)
	}
}

// selecting returns the selectors that select a class, by way of the index.
func (x *Index[ItemID, SelID]) selecting(c *class[ItemID, SelID]) []*sel[SelID] {
	var out []*sel[SelID]
	try := func(candidates iter.Seq[*sel[SelID]]) {
		for s := range candidates {
			if s.selector.Matches(c) {
				out = append(out, s)
			}
		}
	}
	tryLabels := func(labels []label) {
		for _, l := range labels {
			if np, ok := x.selsBy[l.name]; ok {
				try(np.present.all())
				if s, ok := np.byValue[l.value]; ok {
					try(s.all())
				}
			}
		}
	}
	try(x.anywhere.all())
	tryLabels(c.labels)
	for _, p := range c.parents {
		tryLabels(p.labels)
	}
	return slices.Clip(bySeq(out))
}

// fewMentions is up to how many selectors are judged singly for labels that a class has and another has not.
const fewMentions = 16

// selectingLike is selecting by way of another class, if that has the same parents and few selectors look at what is different.
func (x *Index[ItemID, SelID]) selectingLike(c, like *class[ItemID, SelID]) []*sel[SelID] {
	if like == nil || !slices.Equal(c.parents, like.parents) {
		return x.selecting(c)
	}
	var few [fewMentions]*sel[SelID]
	affected := few[:0]
	for name := range differing(c.labels, like.labels) {
		users, ok := x.mentions[name]
		if !ok {
			continue
		}
		if len(affected)+users.len() > fewMentions {
			return x.selecting(c)
		}
		affected = slices.AppendSeq(affected, users.all())
	}
	out := slices.Clone(like.sels)
	for _, s := range affected {
		pos, is := slices.BinarySearchFunc(out, s, compareSeq)
		switch matches := s.selector.Matches(c); {
		case matches && !is:
			out = slices.Insert(out, pos, s)
		case is && !matches:
			out = slices.Delete(out, pos, pos+1)
		}
	}
	return slices.Clip(out)
}

// differing yields the names of labels that only one of two lists has, or that have different values there. Both are sorted by name.
func differing(a, b []label) iter.Seq[labelName] {
	return func(yield func(labelName) bool) {
		for len(a)+len(b) > 0 {
			var name labelName
			switch {
			case len(b) == 0 || len(a) > 0 && a[0].name.Value() < b[0].name.Value():
				name, a = a[0].name, a[1:]
			case len(a) == 0 || a[0].name != b[0].name:
				name, b = b[0].name, b[1:]
			case a[0] == b[0]:
				a, b = a[1:], b[1:]
				continue
			default:
				name, a, b = a[0].name, a[1:], b[1:]
			}
			if !yield(name) {
				return
			}
		}
	}
}

// judge brings one class up to date with one selector.
func (x *Index[ItemID, SelID]) judge(c *class[ItemID, SelID], s *sel[SelID]) {
	pos, was := slices.BinarySearchFunc(c.sels, s, compareSeq)
	is := s.selector.Matches(c)
	switch {
	case is && !was:
		c.sels = slices.Insert(c.sels, pos, s)
		x.started(s, c)
	case was && !is:
		c.sels = slices.Delete(c.sels, pos, pos+1)
		x.stopped(s, c)
	}
}

func (x *Index[ItemID, SelID]) started(s *sel[SelID], c *class[ItemID, SelID]) {
	for _, it := range c.members {
		x.onStart(s.id, it.id)
	}
}

func (x *Index[ItemID, SelID]) stopped(s *sel[SelID], c *class[ItemID, SelID]) {
	for _, it := range c.members {
		x.onStop(s.id, it.id)
	}
}
