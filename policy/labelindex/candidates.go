// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"iter"
	"maps"
	"unique"

	"github.com/weftnet/weft/policy/selector"
)

// cheapest returns the condition of s that the fewest classes can meet. Before there are items all conditions look the
// same; then the one under which fewest selectors are filed wins, which keeps a label that everything carries from
// collecting every selector.
func (x *Index[ItemID, SelID]) cheapest(s *selector.Selector) condition {
	x.fileClasses()
	best, bestClasses, bestLoad := condition{none: true}, 0, 0
	for label, r := range s.Restrictions() {
		c := conditionOf(label, r)
		classes, load := x.classCount(c), x.selectorLoad(c)
		better := best.none || classes < bestClasses ||
			classes == bestClasses && (load < bestLoad || load == bestLoad && label < best.name.Value())
		if better {
			best, bestClasses, bestLoad = c, classes, load
		}
	}
	return best
}

func conditionOf(label string, r selector.Restriction) condition {
	c := condition{name: unique.Make(label)}
	if r.Values != nil {
		c.values = make([]labelValue, len(r.Values))
		for i, v := range r.Values {
			c.values[i] = unique.Make(v)
		}
	}
	return c
}

// classCount returns how many classes candidates would visit for a condition.
func (x *Index[ItemID, SelID]) classCount(c condition) int {
	n := x.classesBy.count(c)
	for p := range x.parentsBy.meeting(c) {
		n += p.classes.len()
	}
	return n
}

// selectorLoad returns how many selectors a class that meets the condition is already confronted with.
func (x *Index[ItemID, SelID]) selectorLoad(c condition) int {
	np, ok := x.selsBy[c.name]
	if !ok {
		return 0
	}
	return np.present.len() + x.selsBy.count(c)
}

// candidates returns every class that s could select, some of them more than once.
func (x *Index[ItemID, SelID]) candidates(s *selector.Selector) iter.Seq[*class[ItemID, SelID]] {
	c := x.cheapest(s)
	if c.none {
		return maps.Values(x.classes)
	}
	return func(yield func(*class[ItemID, SelID]) bool) {
		for cl := range x.classesBy.meeting(c) {
			if !yield(cl) {
				return
			}
		}
		for p := range x.parentsBy.meeting(c) {
			for cl := range p.classes.all() {
				if !yield(cl) {
					return
				}
			}
		}
	}
}
