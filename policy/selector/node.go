// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"slices"
	"strings"
)

// node is one term of a parsed selector, immutable.
type node interface {
	eval(Labels) bool
	write(*strings.Builder)
	// restrict returns what the term, or with negated its negation, requires of labels.
	restrict(negated bool) Restrictions
	prefixed(prefix string) node
	// labels calls add with the name of each label the term looks at.
	labels(add func(name string))
}

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opIn
	opNotIn
	opContains
	opStartsWith
	opEndsWith
)

// operators holds the text of each operator.
var operators = [...]string{"==", "!=", "in", "not in", "contains", "starts with", "ends with"}

type (
	allNode     struct{}
	globalNode  struct{}
	hasNode     struct{ label string }
	notNode     struct{ operand node }
	andNode     struct{ operands []node } // at least two, none an andNode
	orNode      struct{ operands []node } // at least two, none an orNode
	compareNode struct {
		label  string
		op     operator
		values []string // opIn, opNotIn: sorted and distinct; else one
	}
)

func (allNode) eval(Labels) bool { return true }

func (globalNode) eval(l Labels) bool {
	_, namespaced := l.Get(NamespaceLabel)
	return !namespaced
}

func (n hasNode) eval(l Labels) bool {
	_, ok := l.Get(n.label)
	return ok
}

func (n notNode) eval(l Labels) bool { return !n.operand.eval(l) }

func (n andNode) eval(l Labels) bool {
	for _, m := range n.operands {
		if !m.eval(l) {
			return false
		}
	}
	return true
}

func (n orNode) eval(l Labels) bool {
	for _, m := range n.operands {
		if m.eval(l) {
			return true
		}
	}
	return false
}

func (n compareNode) eval(l Labels) bool {
	v, ok := l.Get(n.label)
	if !ok {
		return n.op == opNotEqual || n.op == opNotIn
	}
	switch n.op {
	case opEqual:
		return v == n.values[0]
	case opNotEqual:
		return v != n.values[0]
	case opIn:
		return contains(n.values, v)
	case opNotIn:
		return !contains(n.values, v)
	case opContains:
		return strings.Contains(v, n.values[0])
	case opStartsWith:
		return strings.HasPrefix(v, n.values[0])
	default:
		return strings.HasSuffix(v, n.values[0])
	}
}

func contains(sorted []string, v string) bool {
	_, found := slices.BinarySearch(sorted, v)
	return found
}

func (n allNode) prefixed(string) node       { return n }
func (n globalNode) prefixed(string) node    { return n }
func (n hasNode) prefixed(p string) node     { return hasNode{p + n.label} }
func (n notNode) prefixed(p string) node     { return notNode{n.operand.prefixed(p)} }
func (n andNode) prefixed(p string) node     { return andNode{prefixAll(n.operands, p)} }
func (n orNode) prefixed(p string) node      { return orNode{prefixAll(n.operands, p)} }
func (n compareNode) prefixed(p string) node { return compareNode{p + n.label, n.op, n.values} }

func prefixAll(nodes []node, prefix string) []node {
	out := make([]node, len(nodes))
	for i, n := range nodes {
		out[i] = n.prefixed(prefix)
	}
	return out
}

func (allNode) labels(func(string))           {}
func (globalNode) labels(add func(string))    { add(NamespaceLabel) }
func (n hasNode) labels(add func(string))     { add(n.label) }
func (n notNode) labels(add func(string))     { n.operand.labels(add) }
func (n compareNode) labels(add func(string)) { add(n.label) }

func (n andNode) labels(add func(string)) {
	for _, m := range n.operands {
		m.labels(add)
	}
}

func (n orNode) labels(add func(string)) {
	for _, m := range n.operands {
		m.labels(add)
	}
}
