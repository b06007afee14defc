// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package selector parses and evaluates label selectors: Parse a text once, then call Matches for each label set.
//
// The language is Calico's (reference: calico-behaviour §3.1):
//
//	selector := and { "||" and }
//	and      := not { "&&" not }
//	not      := { "!" } primary
//	primary  := "(" selector ")" | "all()" | "global()" | "has(" label ")"
//	          | label ( "==" | "!=" | "contains" | "starts with" | "ends with" ) string
//	          | label ( "in" | "not in" ) "{" [ string { "," string } [ "," ] ] "}"
//
// The empty text is all(). Each selector has a canonical text and an ID hashed from it, so that equal selectors share
// one IP set. Selectors that are not written by users are put together with All, Equal, In, Has, Not and And.
package selector

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// NamespaceLabel is the label that every namespaced endpoint and network set carries, with the namespace as its value.
const NamespaceLabel = "projectcalico.org/namespace"

// Labels is how a selector sees a labelled item. Inherited labels are resolved by the implementation.
type Labels interface {
	// Get returns the value of a label and whether it is present.
	Get(name string) (value string, present bool)
}

// Map is a plain label map.
type Map map[string]string

// Get implements Labels.
func (m Map) Get(name string) (string, bool) {
	v, ok := m[name]
	return v, ok
}

// Selector is a parsed selector, immutable and safe for concurrent use. Get one from Parse or a constructor.
type Selector struct {
	root node
	text string
	id   string
}

// idEncoding has only characters that every kernel object name may hold.
var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func wrap(root node) *Selector {
	var b strings.Builder
	root.write(&b)
	text := b.String()
	sum := sha256.Sum256([]byte(text))
	return &Selector{root: root, text: text, id: idEncoding.EncodeToString(sum[:10])}
}

// String returns the canonical text: one space around operators, double quotes unless the value holds one, members of
// sets sorted and unique, no needless parentheses, no all() beside other terms. Parsing it gives an identical selector.
func (s *Selector) String() string { return s.text }

// ID returns 16 characters of [0-9a-v] hashed from the canonical text. Selectors with equal text have equal IDs.
func (s *Selector) ID() string { return s.id }

// Matches tells whether an item with these labels is selected. global() selects items without NamespaceLabel.
func (s *Selector) Matches(labels Labels) bool { return s.root.eval(labels) }

// IsAll tells whether the selector is all(): it matches everything without looking at a label.
func (s *Selector) IsAll() bool { _, ok := s.root.(allNode); return ok }

// HasGlobal tells whether the selector is global(), which only the namespaceSelector of a rule may be.
func (s *Selector) HasGlobal() bool { _, ok := s.root.(globalNode); return ok }

// LabelNames returns the names of the labels that the selector looks at, sorted. A change of any other label leaves the
// result of Matches as it was.
func (s *Selector) LabelNames() []string {
	var names []string
	s.root.labels(func(name string) { names = append(names, name) })
	return sortedSet(names)
}
