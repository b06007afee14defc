// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import "slices"

// All returns the selector that matches everything.
func All() *Selector { return wrap(allNode{}) }

// Has returns the selector has(label).
func Has(label string) *Selector { return wrap(hasNode{label}) }

// Equal returns the selector label == "value". The value must not hold both kinds of quote, or the text is not parseable.
func Equal(label, value string) *Selector {
	return wrap(compareNode{label: label, op: opEqual, values: []string{value}})
}

// In returns the selector label in {values}. Without values it matches nothing.
func In(label string, values ...string) *Selector {
	return wrap(compareNode{label: label, op: opIn, values: sortedSet(values)})
}

// NotIn returns the selector label not in {values}, which also matches items without the label.
func NotIn(label string, values ...string) *Selector {
	return wrap(compareNode{label: label, op: opNotIn, values: sortedSet(values)})
}

// Not returns the negation of s.
func Not(s *Selector) *Selector { return wrap(not(lower(s.root))) }

// And returns the selector that matches what both a and b match, in their order. all() adds nothing and is left out.
// global() has no place beside other terms, so it becomes !has(projectcalico.org/namespace), which means the same.
func And(a, b *Selector) *Selector {
	switch {
	case a.IsAll() && !b.HasGlobal():
		return b
	case b.IsAll() && !a.HasGlobal():
		return a
	}
	return wrap(and([]node{lower(a.root), lower(b.root)}))
}

// WithPrefix returns s with prefix in front of every label name. It is how a selector over a namespace's labels becomes
// one over the labels that endpoints inherit from the namespace.
func (s *Selector) WithPrefix(prefix string) *Selector { return wrap(s.root.prefixed(prefix)) }

// lower replaces global() by a term that can stand beside others.
func lower(n node) node {
	if _, ok := n.(globalNode); ok {
		return not(hasNode{NamespaceLabel})
	}
	return n
}

// sortedSet returns the distinct values in order; never nil.
func sortedSet(values []string) []string {
	out := append([]string{}, values...)
	slices.Sort(out)
	return slices.Clip(slices.Compact(out))
}

// not negates n; pairs cancel.
func not(n node) node {
	if inner, ok := n.(notNode); ok {
		return inner.operand
	}
	return notNode{n}
}

// and joins operands: nested conjunctions are flattened, repetitions and all() left out.
func and(operands []node) node {
	var terms termList
	for _, n := range operands {
		switch n := n.(type) {
		case allNode:
		case andNode:
			terms.add(n.operands...)
		default:
			terms.add(n)
		}
	}
	switch len(terms.nodes) {
	case 0:
		return allNode{}
	case 1:
		return terms.nodes[0]
	}
	return andNode{terms.nodes}
}

// or joins alternatives: nested disjunctions are flattened, repetitions left out; with all() among them it is all().
func or(operands []node) node {
	var terms termList
	for _, n := range operands {
		switch n := n.(type) {
		case allNode:
			return n
		case orNode:
			terms.add(n.operands...)
		default:
			terms.add(n)
		}
	}
	if len(terms.nodes) == 1 {
		return terms.nodes[0]
	}
	return orNode{terms.nodes}
}

// termList collects terms in order, each once.
type termList struct {
	nodes []node
	seen  map[string]struct{} // by canonical text
}

func (t *termList) add(nodes ...node) {
	if t.seen == nil {
		t.seen = map[string]struct{}{}
	}
	for _, n := range nodes {
		text := nodeText(n)
		if _, ok := t.seen[text]; !ok {
			t.seen[text] = struct{}{}
			t.nodes = append(t.nodes, n)
		}
	}
}
