// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"iter"
	"unique"
)

type (
	labelName  = unique.Handle[string]
	labelValue = unique.Handle[string]
)

// label is one interned label pair.
type label struct {
	name  labelName
	value labelValue
}

func (l label) is(as Label) bool { return l.name.Value() == as.Name && l.value.Value() == as.Value }

// intern returns labels in memory of their own. Like are some that are mostly the same. Both are sorted by name.
func intern(labels []Label, like []label) []label {
	out := make([]label, len(labels))
	for i, l := range labels {
		for len(like) > 0 && like[0].name.Value() < l.Name {
			like = like[1:]
		}
		if len(like) > 0 && like[0].is(l) {
			out[i] = like[0]
		} else {
			out[i] = label{unique.Make(l.Name), unique.Make(l.Value)}
		}
	}
	return out
}

// condition is something required of one label: one of values or, with values nil, only to be present.
type condition struct {
	name   labelName
	values []labelValue
	none   bool // nothing is required; name and values are unset
}

// postings lists things by label pair.
type postings[T comparable] map[labelName]*namePostings[T]

// namePostings holds the things that have one label, by its value.
type namePostings[T comparable] struct {
	byValue map[labelValue]*set[T]
	present set[T] // things filed under the bare name: selectors that only ask for presence
	total   int    // entries in byValue
}

func (p *postings[T]) named(n labelName) *namePostings[T] {
	if *p == nil {
		*p = postings[T]{}
	}
	np, ok := (*p)[n]
	if !ok {
		np = &namePostings[T]{byValue: map[labelValue]*set[T]{}}
		(*p)[n] = np
	}
	return np
}

func (p *postings[T]) add(l label, v T) {
	np := p.named(l.name)
	s, ok := np.byValue[l.value]
	if !ok {
		s = &set[T]{}
		np.byValue[l.value] = s
	}
	np.total -= s.len()
	s.add(v)
	np.total += s.len()
}

func (p *postings[T]) remove(l label, v T) {
	np, ok := (*p)[l.name]
	if !ok {
		return
	}
	s, ok := np.byValue[l.value]
	if !ok {
		return
	}
	np.total -= s.len()
	s.remove(v)
	np.total += s.len()
	if s.len() == 0 {
		delete(np.byValue, l.value)
	}
	p.tidy(l.name, np)
}

// addCondition files v under each pair that the condition allows, or under the bare name.
func (p *postings[T]) addCondition(c condition, v T) {
	if c.values == nil {
		p.named(c.name).present.add(v)
		return
	}
	for _, val := range c.values {
		p.add(label{c.name, val}, v)
	}
}

func (p *postings[T]) removeCondition(c condition, v T) {
	if c.values != nil {
		for _, val := range c.values {
			p.remove(label{c.name, val}, v)
		}
		return
	}
	if np, ok := (*p)[c.name]; ok {
		np.present.remove(v)
		p.tidy(c.name, np)
	}
}

func (p *postings[T]) tidy(n labelName, np *namePostings[T]) {
	if len(np.byValue) == 0 && np.present.len() == 0 {
		delete(*p, n)
	}
}

// meeting returns the things that have a label which meets the condition. One with several such labels comes repeatedly.
func (p postings[T]) meeting(c condition) iter.Seq[T] {
	return func(yield func(T) bool) {
		np, ok := p[c.name]
		if !ok {
			return
		}
		if c.values == nil {
			for _, s := range np.byValue {
				for v := range s.all() {
					if !yield(v) {
						return
					}
				}
			}
			return
		}
		for _, val := range c.values {
			s, ok := np.byValue[val]
			if !ok {
				continue
			}
			for v := range s.all() {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// count returns how many things meeting would give.
func (p postings[T]) count(c condition) int {
	np, ok := p[c.name]
	switch {
	case !ok:
		return 0
	case c.values == nil:
		return np.total
	}
	n := 0
	for _, val := range c.values {
		if s, ok := np.byValue[val]; ok {
			n += s.len()
		}
	}
	return n
}
