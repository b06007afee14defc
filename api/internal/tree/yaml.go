// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML reads all YAML documents of data. Lines count from firstLine. Documents that hold nothing are left out. When one cannot be read, those
// before it are returned with the error.
func YAML(data []byte, firstLine int) (out []*Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, explainYAML(data, err, firstLine)
		}
		c := &converter{offset: firstLine - 1, budget: maxNodes + len(data)}
		n, err := c.node(&doc, 0)
		if err != nil {
			return out, err
		}
		if n.Kind != Null {
			out = append(out, n)
		}
	}
}

// maxNodes bounds what aliases can blow up, beside a node for each byte.
const maxNodes = 10_000

// converter turns nodes of the YAML library into ours: aliases and merges resolved, scalars in JSON's notation.
type converter struct {
	offset int
	budget int
}

func (c *converter) fail(y *yaml.Node, format string, args ...any) error {
	return &SyntaxError{y.Line + c.offset, fmt.Sprintf(format, args...)}
}

func (c *converter) node(y *yaml.Node, depth int) (*Node, error) {
	if c.budget--; c.budget < 0 {
		return nil, c.fail(y, "aliases make the document too large")
	}
	if depth > maxDepth {
		return nil, c.fail(y, "%v", errTooDeep)
	}
	n := &Node{Line: y.Line + c.offset}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 1 {
			return c.node(y.Content[0], depth)
		}
		return n, nil
	case yaml.AliasNode:
		return c.node(y.Alias, depth+1)
	case yaml.SequenceNode:
		n.Kind = List
		for _, item := range y.Content {
			v, err := c.node(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, v)
		}
		return n, nil
	case yaml.MappingNode:
		n.Kind = Map
		return n, c.mapping(n, y, depth)
	case yaml.ScalarNode:
		return n, c.scalar(n, y)
	default:
		return n, nil
	}
}

func (c *converter) mapping(n *Node, y *yaml.Node, depth int) error {
	var merged []Pair
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return c.fail(y.Content[i], "a field name is text, not a list or a group of fields")
		}
		value, err := c.node(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, mergePairs(value)...)
			continue
		}
		n.Pairs = append(n.Pairs, Pair{key.Value, y.Content[i].Line + c.offset, value})
	}
	for _, p := range merged {
		if n.Get(p.Key) == nil {
			n.Pairs = append(n.Pairs, p)
		}
	}
	return nil
}

// mergePairs returns what "<<: value" brings: the fields of a group, or of a list of groups.
func mergePairs(value *Node) []Pair {
	out := value.Pairs
	for _, item := range value.Items {
		out = append(out, item.Pairs...)
	}
	return out
}

func (c *converter) scalar(n *Node, y *yaml.Node) error {
	n.Scalar, n.Plain = y.Value, y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch y.ShortTag() {
	case "!!null":
		n.Kind, n.Scalar = Null, ""
	case "!!bool":
		n.Kind, n.Scalar = Bool, strings.ToLower(y.Value)
		if n.Scalar != "true" && n.Scalar != "false" {
			return c.fail(y, "%q is neither true nor false", y.Value)
		}
	case "!!int", "!!float":
		number, err := jsonNumber(y)
		if err != nil { // not a number that JSON has, so that only text may be like it
			n.Kind = Text
			return nil
		}
		n.Kind, n.Scalar = Number, number
	default: // text, and times and binary data in their notation
		n.Kind = Text
	}
	return nil
}

// jsonNumber keeps a number as written if JSON can write it so; hexadecimal and the like become decimal.
func jsonNumber(y *yaml.Node) (string, error) {
	if json.Valid([]byte(y.Value)) {
		return y.Value, nil
	}
	var v any
	if err := y.Decode(&v); err != nil {
		return "", err
	}
	data, err := json.Marshal(v) // refuses NaN and infinities
	if err != nil || !json.Valid(data) || data[0] == '"' {
		return "", strconv.ErrSyntax
	}
	return string(data), nil
}

var yamlError = regexp.MustCompile(`^yaml: (line \d+: )?`)

// hints say in people's words what the YAML library's commonest complaints mean.
var hints = []struct{ text, hint string }{
	{"mapping values are not allowed", "a ':' where none is expected: the line above or this one is indented wrongly, or text with ': ' lacks quotes"},
	{"cannot start any token", "a character that cannot start a value: indent with spaces, not tabs, and put text that starts with @, ` or % in quotes"},
	{"did not find expected key", "a field name is expected: the line is indented wrongly"},
	{"did not find expected '-' indicator", "a list entry is expected: the line is indented wrongly"},
	{"could not find expected ':'", "a ':' is missing after the field name"},
	{"found unexpected end of stream", "a quote or bracket is not closed"},
}

func explainYAML(data []byte, err error, firstLine int) error {
	reason := complaint(err)
	line := 0
	if len(data) < 1<<20 { // the search reads the text some twenty times
		line = firstLine + brokenLine(data, reason) - 1
	}
	for _, h := range hints {
		if strings.Contains(reason, h.text) {
			reason = h.hint
		}
	}
	if strings.Contains(reason, "unknown anchor") {
		reason += ": an anchor (&name) stands before its aliases (*name), in the same document"
	}
	return &SyntaxError{line, "no YAML: " + reason}
}

// complaint is the library's message without its line, which for some errors is missing and for others that of the group around.
func complaint(err error) string {
	return yamlError.ReplaceAllString(err.Error(), "")
}

// brokenLine finds the line that makes data unreadable: the first so that the text up to it raises the same complaint.
func brokenLine(data []byte, reason string) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	ends := make([]int, len(lines)+1)
	for i, l := range lines {
		ends[i+1] = ends[i] + len(l)
	}
	return sort.Search(len(lines), func(n int) bool {
		var doc yaml.Node
		dec := yaml.NewDecoder(bytes.NewReader(data[:ends[n]]))
		err := dec.Decode(&doc)
		for err == nil {
			err = dec.Decode(&doc)
		}
		return complaint(err) == reason
	})
}
