// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import "strings"

// nodeText returns the canonical text of one term.
func nodeText(n node) string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (allNode) write(b *strings.Builder)    { b.WriteString("all()") }
func (globalNode) write(b *strings.Builder) { b.WriteString("global()") }

func (n hasNode) write(b *strings.Builder) {
	b.WriteString("has(")
	b.WriteString(n.label)
	b.WriteByte(')')
}

// write puts parentheses around a comparison although the grammar does not ask for them: !a == "b" misleads the reader.
func (n notNode) write(b *strings.Builder) {
	b.WriteByte('!')
	switch n.operand.(type) {
	case compareNode, andNode, orNode:
		writeGroup(b, n.operand)
	default:
		n.operand.write(b)
	}
}

func (n andNode) write(b *strings.Builder) {
	for i, m := range n.operands {
		if i > 0 {
			b.WriteString(" && ")
		}
		if _, ok := m.(orNode); ok {
			writeGroup(b, m)
		} else {
			m.write(b)
		}
	}
}

func (n orNode) write(b *strings.Builder) {
	for i, m := range n.operands {
		if i > 0 {
			b.WriteString(" || ")
		}
		if _, ok := m.(andNode); ok {
			writeGroup(b, m)
		} else {
			m.write(b)
		}
	}
}

func writeGroup(b *strings.Builder, n node) {
	b.WriteByte('(')
	n.write(b)
	b.WriteByte(')')
}

func (n compareNode) write(b *strings.Builder) {
	b.WriteString(n.label)
	b.WriteByte(' ')
	b.WriteString(operators[n.op])
	b.WriteByte(' ')
	if n.op != opIn && n.op != opNotIn {
		writeString(b, n.values[0])
		return
	}
	b.WriteByte('{')
	for i, v := range n.values {
		if i > 0 {
			b.WriteString(", ")
		}
		writeString(b, v)
	}
	b.WriteByte('}')
}

// writeString quotes a value. The language has no escapes; a value holds at most one kind of quote.
func writeString(b *strings.Builder, v string) {
	quote := byte('"')
	if strings.IndexByte(v, '"') >= 0 {
		quote = '\''
	}
	b.WriteByte(quote)
	b.WriteString(v)
	b.WriteByte(quote)
}
