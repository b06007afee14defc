// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import "strconv"

const (
	maxLabelLength = 512  // Calico's limit for a label name
	maxDepth       = 1000 // nested parentheses; keeps hostile text off the stack
)

const (
	wantTerm       = "a label, has(…), all(), \"!\" or \"(\""
	wantOperator   = "==, !=, in, not in, contains, starts with or ends with"
	wantConnective = "&&, || or the end"
	wantValue      = "a quoted string"
)

// Parse reads a selector. The error is a *SyntaxError.
func Parse(text string) (*Selector, error) {
	p := parser{scanner: scanner{text: text}}
	p.skipSpace()
	if p.pos == len(text) {
		return All(), nil
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	p.skipSpace()
	if p.pos < len(text) {
		return nil, p.unexpected(wantConnective, connectiveHint)
	}
	if _, plain := root.(globalNode); p.hasGlobal && (p.terms > 1 || !plain) {
		p.pos = p.globalAt
		return nil, p.fail("global() beside other terms", "global() alone", "")
	}
	return wrap(root), nil
}

// parser is a recursive descent over the grammar of the package comment.
type parser struct {
	scanner
	depth     int
	terms     int // primaries other than parentheses seen so far
	hasGlobal bool
	globalAt  int // where the last global() stands
}

func (p *parser) or() (node, error)  { return p.list("||", p.and, or) }
func (p *parser) and() (node, error) { return p.list("&&", p.not, and) }

// list parses operands separated by sep and joins them.
func (p *parser) list(sep string, operand func() (node, error), join func([]node) node) (node, error) {
	var operands []node
	for {
		n, err := operand()
		if err != nil {
			return nil, err
		}
		operands = append(operands, n)
		if !p.accept(sep) {
			break
		}
	}
	if len(operands) == 1 {
		return operands[0], nil
	}
	return join(operands), nil
}

func (p *parser) not() (node, error) {
	negate := false
	for p.accept("!") {
		negate = !negate
	}
	n, err := p.primary()
	if err != nil || !negate {
		return n, err
	}
	return not(n), nil
}

func (p *parser) primary() (node, error) {
	if p.accept("(") {
		return p.group()
	}
	p.terms++
	switch {
	case p.call("all"):
		return allNode{}, p.closing()
	case p.call("global"):
		p.hasGlobal, p.globalAt = true, p.pos-len("global(")
		return globalNode{}, p.closing()
	case p.call("has"):
		label, err := p.label("a label name")
		if err != nil {
			return nil, err
		}
		return hasNode{label}, p.closing()
	}
	label, err := p.label(wantTerm)
	if err != nil {
		return nil, err
	}
	return p.comparison(label)
}

func (p *parser) group() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("parentheses nested too deeply", "at most "+strconv.Itoa(maxDepth)+" levels", "")
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	p.depth--
	return n, p.closing()
}

func (p *parser) closing() error {
	if !p.accept(")") {
		return p.unexpected("\")\"", connectiveHint)
	}
	return nil
}

func (p *parser) label(expected string) (string, error) {
	word := p.peekWord()
	if word == "" {
		return "", p.unexpected(expected, termHint)
	}
	if len(word) > maxLabelLength {
		return "", p.fail("a label name of "+strconv.Itoa(len(word))+" characters", "at most "+strconv.Itoa(maxLabelLength), "")
	}
	p.pos += len(word)
	return word, nil
}

// comparison parses what follows a label.
func (p *parser) comparison(label string) (node, error) {
	op, err := p.operator(label)
	if err != nil {
		return nil, err
	}
	if op == opIn || op == opNotIn {
		values, err := p.set()
		return compareNode{label, op, values}, err
	}
	value, err := p.value()
	return compareNode{label, op, []string{value}}, err
}

func (p *parser) operator(label string) (operator, error) {
	start := p.pos
	switch {
	case p.accept("=="):
		return opEqual, nil
	case p.accept("!="):
		return opNotEqual, nil
	case p.words("not", "in"):
		return opNotIn, nil
	case p.words("in"):
		return opIn, nil
	case p.words("contains"):
		return opContains, nil
	case p.words("starts", "with"):
		return opStartsWith, nil
	case p.words("ends", "with"):
		return opEndsWith, nil
	}
	p.pos = start
	return 0, p.unexpected(wantOperator, func(found string) string { return operatorHint(label, found) })
}

// words consumes an operator of one or more words; as in Calico they may also be written together ("notin").
func (p *parser) words(words ...string) bool {
	start := p.pos
	joined := ""
	for _, w := range words {
		joined += w
	}
	if p.peekWord() == joined {
		p.pos += len(joined)
		return true
	}
	for _, w := range words {
		if p.peekWord() != w {
			p.pos = start
			return false
		}
		p.pos += len(w)
	}
	return true
}

func (p *parser) value() (string, error) {
	if v, ok := p.literal(); ok {
		return v, nil
	}
	if p.atQuote() {
		return "", p.fail("a string without its closing quote", wantValue, "")
	}
	return "", p.unexpected(wantValue, valueHint)
}

// set parses "{" [ string { "," string } [ "," ] ] "}".
func (p *parser) set() ([]string, error) {
	if !p.accept("{") {
		return nil, p.unexpected("\"{\" and a list of quoted strings", setHint)
	}
	values := []string{}
	for !p.accept("}") {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if !p.accept(",") {
			if !p.accept("}") {
				return nil, p.unexpected("\",\" or \"}\"", nil)
			}
			break
		}
	}
	return sortedSet(values), nil
}
