// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"maps"
	"slices"
)

// Restriction is what every match of a selector has in one label.
type Restriction struct {
	// Values, sorted, hold the label's value; nil: the label is present with any value; empty: there is no match at all.
	Values []string
}

// Restrictions holds necessary conditions by label name: an item that fails one is not selected. They are not
// sufficient. An index uses them to look only at items that could match.
type Restrictions map[string]Restriction

// Restrictions returns the necessary conditions of s. It is empty when s can match an item without any label.
func (s *Selector) Restrictions() Restrictions { return s.root.restrict(false) }

func (allNode) restrict(bool) Restrictions    { return nil }
func (globalNode) restrict(bool) Restrictions { return nil }

func (n hasNode) restrict(negated bool) Restrictions {
	if negated {
		return nil
	}
	return Restrictions{n.label: {}}
}

func (n notNode) restrict(negated bool) Restrictions { return n.operand.restrict(!negated) }

func (n andNode) restrict(negated bool) Restrictions {
	if negated { // De Morgan
		return restrictAny(n.operands, true)
	}
	return restrictEvery(n.operands, false)
}

func (n orNode) restrict(negated bool) Restrictions {
	if negated {
		return restrictEvery(n.operands, true)
	}
	return restrictAny(n.operands, false)
}

func (n compareNode) restrict(negated bool) Restrictions {
	switch n.op {
	case opEqual, opIn:
		if negated {
			return nil
		}
		return Restrictions{n.label: {Values: n.values}}
	case opNotEqual, opNotIn:
		if !negated {
			return nil
		}
		return Restrictions{n.label: {Values: n.values}}
	default:
		if negated {
			return nil
		}
		return Restrictions{n.label: {}}
	}
}

// restrictEvery joins the conditions of terms that all hold.
func restrictEvery(nodes []node, negated bool) Restrictions {
	out := Restrictions{}
	for _, n := range nodes {
		for label, r := range n.restrict(negated) {
			if have, ok := out[label]; ok {
				r = have.intersect(r)
			}
			out[label] = r
		}
	}
	return out
}

// restrictAny keeps the conditions that each of several alternatives has.
func restrictAny(nodes []node, negated bool) Restrictions {
	out := maps.Clone(nodes[0].restrict(negated))
	for _, n := range nodes[1:] {
		other := n.restrict(negated)
		for label, r := range out {
			if o, ok := other[label]; ok {
				out[label] = r.union(o)
			} else {
				delete(out, label)
			}
		}
	}
	return out
}

func (r Restriction) intersect(o Restriction) Restriction {
	switch {
	case r.Values == nil:
		return o
	case o.Values == nil:
		return r
	}
	both := []string{}
	for _, v := range r.Values {
		if contains(o.Values, v) {
			both = append(both, v)
		}
	}
	return Restriction{Values: both}
}

func (r Restriction) union(o Restriction) Restriction {
	if r.Values == nil || o.Values == nil {
		return Restriction{}
	}
	return Restriction{Values: sortedSet(slices.Concat(r.Values, o.Values))}
}
