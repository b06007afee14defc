// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package tree reads YAML and JSON into one kind of tree that knows the line of each value: call YAML or JSON, then
// walk the nodes.
//
// Unlike decoding straight into Go values, a tree keeps duplicate keys, knows where things stand, and tells a number
// from the same digits in quotes, so that whoever walks it can say precisely what is wrong.
package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kind is what a node is.
type Kind int

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Map
)

// String names a kind for people.
func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a group of fields"}[k]
}

// Node is one value.
type Node struct {
	Kind Kind
	// Scalar is "true" or "false", a JSON number, or the text.
	Scalar string
	// Plain marks YAML text without quotes.
	Plain bool
	Items []*Node // of a list
	Pairs []Pair  // of a map, duplicates included
	Line  int     // from 1
}

// Pair is one entry of a map.
type Pair struct {
	Key   string
	Line  int
	Value *Node
}

// Get returns the value of a key of a map, the first of duplicates, or nil.
func (n *Node) Get(key string) *Node {
	for _, p := range n.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// LineOf returns the line of the value at a path such as "spec.ingress[2].ports", or that of the nearest part there is.
func (n *Node) LineOf(path string) int {
	line := n.Line
	for path != "" {
		var index int
		if _, err := fmt.Sscanf(path, "[%d]", &index); err == nil && index >= 0 && index < len(n.Items) {
			n = n.Items[index]
			line = n.Line
			_, path, _ = strings.Cut(path, "]")
			path = strings.TrimPrefix(path, ".")
			continue
		}
		best := n.longestKey(path)
		if best == nil {
			break
		}
		n, line = best.Value, best.Line
		path = strings.TrimPrefix(path[len(best.Key):], ".")
	}
	return line
}

// longestKey returns the entry whose key starts the path; keys may hold dots themselves.
func (n *Node) longestKey(path string) *Pair {
	var best *Pair
	for i, p := range n.Pairs {
		rest, ok := strings.CutPrefix(path, p.Key)
		if ok && p.Key != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') && (best == nil || len(p.Key) > len(best.Key)) {
			best = &n.Pairs[i]
		}
	}
	return best
}

// AppendJSON appends the value as JSON. Of duplicate keys all are written.
func (n *Node) AppendJSON(out []byte) []byte {
	switch n.Kind {
	case Bool, Number:
		return append(out, n.Scalar...)
	case Text:
		return AppendText(out, n.Scalar)
	case List:
		out = append(out, '[')
		for i, item := range n.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.AppendJSON(out)
		}
		return append(out, ']')
	case Map:
		out = append(out, '{')
		for i, p := range n.Pairs {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(AppendText(out, p.Key), ':')
			out = p.Value.AppendJSON(out)
		}
		return append(out, '}')
	default:
		return append(out, "null"...)
	}
}

// AppendText appends a JSON string.
func AppendText(out []byte, text string) []byte {
	quoted, _ := json.Marshal(text) // a string always marshals
	return append(out, quoted...)
}

// SyntaxError is text that is no YAML or JSON.
type SyntaxError struct {
	Line   int // 0 if unknown
	Reason string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// maxDepth limits nesting. The deepest kind has a depth of about 10.
const maxDepth = 100

var errTooDeep = errors.New("nested more than 100 levels deep")
