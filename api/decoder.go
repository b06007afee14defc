// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/weftnet/weft/api/internal/shape"
	"github.com/weftnet/weft/api/internal/tree"
	"github.com/weftnet/weft/internal/near"
)

// decoder walks a tree beside the Go type it must fit, collects what does not, and writes what does as JSON.
type decoder struct {
	found FieldErrors
	out   []byte
	// misread are the paths that found is about, and those that unknown fields probably stand for: what is said of them later follows from that.
	misread []string
}

func (d *decoder) fail(n *tree.Node, path, format string, args ...any) {
	d.report(path, n.Line, fmt.Sprintf(format, args...))
}

func (d *decoder) report(path string, line int, reason string) {
	d.found = append(d.found, FieldError{Path: path, Line: line, Reason: reason})
	d.misread = append(d.misread, path)
}

// object writes a struct. Fields that are null count as absent.
func (d *decoder) object(n *tree.Node, t reflect.Type, path string) {
	s, seen := shape.Of(t), map[string]bool{}
	d.out = append(d.out, '{')
	first := true
	for _, p := range n.Pairs {
		at := join(path, p.Key)
		f := s.Field(p.Key)
		if d.refused(p, f, s, path, seen[p.Key]) {
			continue
		}
		seen[p.Key] = true
		if p.Value.Kind == tree.Null {
			continue
		}
		d.comma(&first)
		d.out = append(tree.AppendText(d.out, p.Key), ':')
		d.value(p.Value, f.Type, at, f)
	}
	d.out = append(d.out, '}')
	for _, f := range s.Fields {
		if f.Required && !seen[f.Name] && shape.Own(t) {
			d.report(join(path, f.Name), n.Line, "required")
		}
	}
}

// refused reports a field that does not exist or is there twice.
func (d *decoder) refused(p tree.Pair, f *shape.Field, s *shape.Struct, path string, again bool) bool {
	switch {
	case f == nil:
		text, meant := hint(p.Key, s, path)
		d.report(join(path, p.Key), p.Line, "unknown field"+text)
		if meant != "" {
			d.misread = append(d.misread, meant)
		}
	case again:
		d.report(join(path, p.Key), p.Line, "is there twice; remove one")
	default:
		return false
	}
	return true
}

// oldNames are fields of older manifests, by Go type and name, with what they became.
var oldNames = map[string]string{
	"IPPoolSpec.ipip":         "write ipipMode: Always or CrossSubnet instead",
	"IPPoolSpec.nat-outgoing": "write natOutgoing instead",
}

// hint says what an unknown field was probably meant to be, and the path of that.
func hint(name string, s *shape.Struct, path string) (text, meant string) {
	if text, ok := oldNames[s.Type.Name()+"."+name]; ok {
		return "; " + text, ""
	}
	if best := near.Best(name, s.Names); best != "" {
		return "; did you mean " + best + "?", join(path, best)
	}
	if spec := s.Field("spec"); spec != nil && path == "" {
		if class, t := shape.ClassOf(spec.Type); class == shape.Object && shape.Of(t).Field(name) != nil {
			return "; it belongs below spec", join("spec", name)
		}
	}
	return "", ""
}

func (d *decoder) comma(first *bool) {
	if !*first {
		d.out = append(d.out, ',')
	}
	*first = false
}

// value writes one value of type t. f is the field that holds it, or whose list holds it.
func (d *decoder) value(n *tree.Node, t reflect.Type, path string, f *shape.Field) {
	start := len(d.out)
	switch class, t := shape.ClassOf(t); class {
	case shape.Object:
		if d.expect(n, tree.Map, path, "a group of fields") {
			d.object(n, t, path)
		}
	case shape.List:
		d.list(n, t, path, f)
	case shape.Map:
		d.mapping(n, t, path, f)
	case shape.Text:
		d.text(n, path)
	case shape.Boolean:
		d.boolean(n, path)
	case shape.Integer:
		d.integer(n, t, path, f)
	case shape.Number:
		d.number(n, path)
	case shape.Leaf:
		d.leaf(n, t, path)
	}
	if len(d.out) == start { // refused; keep the JSON well-formed
		d.out = append(d.out, "null"...)
	}
}

// expect reports a value of the wrong kind and says how to write the right one.
func (d *decoder) expect(n *tree.Node, want tree.Kind, path, what string) bool {
	if n.Kind == want {
		return true
	}
	how := ""
	switch {
	case want == tree.List && n.Kind != tree.Null:
		how = `: write each entry on a line of its own after "- "`
	case want == tree.Text && (n.Kind == tree.Number || n.Kind == tree.Bool):
		how = fmt.Sprintf(": write %q in quotes", n.Scalar)
	case want == tree.Number && n.Kind == tree.Text && !n.Plain && json.Valid([]byte(n.Scalar)):
		how = ": write " + n.Scalar + " without quotes"
	}
	d.fail(n, path, "is %s where %s is expected%s", describe(n), what, how)
	return false
}

// describe says what a node is, with its value if that is short.
func describe(n *tree.Node) string {
	switch {
	case n.Kind == tree.Text && len(n.Scalar) <= 40:
		return "the text " + strconv.Quote(n.Scalar)
	case n.Kind == tree.Number:
		return "the number " + n.Scalar
	case n.Kind == tree.Bool:
		return n.Scalar
	default:
		return n.Kind.String()
	}
}

func (d *decoder) list(n *tree.Node, t reflect.Type, path string, f *shape.Field) {
	if !d.expect(n, tree.List, path, "a list") {
		return
	}
	d.out = append(d.out, '[')
	first := true
	for i, item := range n.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.comma(&first)
		if item.Kind == tree.Null && t.Elem().Kind() != reflect.Pointer {
			d.fail(item, at, "is empty; write a value or remove the line")
		}
		if item.Kind == tree.Null {
			d.out = append(d.out, "null"...)
			continue
		}
		d.value(item, t.Elem(), at, f)
	}
	d.out = append(d.out, ']')
}

func (d *decoder) mapping(n *tree.Node, t reflect.Type, path string, f *shape.Field) {
	if !d.expect(n, tree.Map, path, "a group of names and values") {
		return
	}
	seen := map[string]bool{}
	d.out = append(d.out, '{')
	first := true
	for _, p := range n.Pairs {
		if seen[p.Key] {
			d.report(join(path, p.Key), p.Line, "is there twice; remove one")
			continue
		}
		seen[p.Key] = true
		if p.Value.Kind == tree.Null && t.Elem().Kind() == reflect.String { // "label:" means the empty value
			p.Value = &tree.Node{Kind: tree.Text, Line: p.Value.Line}
		}
		d.comma(&first)
		d.out = append(tree.AppendText(d.out, p.Key), ':')
		d.value(p.Value, t.Elem(), join(path, p.Key), f)
	}
	d.out = append(d.out, '}')
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
