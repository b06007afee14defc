// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/weftnet/weft/api/internal/tree"
	v3 "github.com/weftnet/weft/api/v3"
)

// Document is one object of a manifest file, or what is wrong with it.
type Document struct {
	File  string // as handed to ReadDocuments
	Index int    // of the document in the file, from 1
	Item  int    // of the object in a list, from 1; 0 outside lists
	Line  int    // that it starts on

	Object   Object      // nil if there are Problems
	Problems FieldErrors // why there is no Object

	read    reading
	root    *tree.Node
	inherit header // of the list that it stands in
}

// Where says for people where the document stands: "pools.yaml, document 2" or "all.yaml, document 1, item 3".
func (d *Document) Where() string {
	if d.Item == 0 {
		return fmt.Sprintf("%s, document %d", d.File, d.Index)
	}
	return fmt.Sprintf("%s, document %d, item %d", d.File, d.Index, d.Item)
}

// Partial is the Object or, if there is none, what could be read of it; nil if not even its kind is known.
func (d *Document) Partial() Object { return d.read.object }

// Check returns everything wrong with the document, its validation included, each with its line. What could be read of a document without Object is
// validated, too; what may only follow from what could not is left out. An object without the namespace that its kind needs is judged as if it were in
// "default".
func (d *Document) Check(c Checks) FieldErrors {
	obj := d.Partial()
	if obj == nil {
		return d.Problems
	}
	if k := KindOf(obj); k.Namespaced && obj.GetNamespace() == "" {
		obj = Clone(obj)
		obj.SetNamespace("default")
	}
	found := slices.DeleteFunc(Validate(obj, c), d.read.follows)
	for i := range found {
		found[i].Line = d.root.LineOf(found[i].Path)
	}
	found = append(slices.Clone(d.Problems), found...)
	slices.SortStableFunc(found, func(a, b FieldError) int { return a.Line - b.Line })
	return found
}

// follows tells whether something wrong may only follow from what could not be read: it is about that, or about what is around or below it, or speaks of it.
func (r *reading) follows(e FieldError) bool {
	return slices.ContainsFunc(r.misread, func(path string) bool {
		return within(e.Path, path) || within(path, e.Path) && strings.Contains(e.Path, ".") || speaksOf(e, path)
	})
}

// speaksOf tells whether something wrong names a field at the path: in full, or by its own name beside it. What is said of an object's name may
// speak of any field, and "named" is said of objects.
func speaksOf(e FieldError, path string) bool {
	words := strings.FieldsFunc(e.Reason, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' })
	if within("metadata.name", path) && slices.Contains(words, "named") || slices.ContainsFunc(words, func(word string) bool { return within(word, path) }) {
		return true
	}
	parent := ""
	for name := range strings.SplitSeq(path, ".") {
		field := join(parent, name)
		name, _, _ = strings.Cut(name, "[")
		list := join(parent, name)
		beside := within(e.Path, parent) && !within(e.Path, list) || e.Path == "metadata.name" // not of another entry of the same list
		if parent != "" && slices.ContainsFunc(words, func(word string) bool { return word == name && beside || word == list }) {
			return true
		}
		parent = field
	}
	return false
}

// within tells whether path is place or below it.
func within(path, place string) bool {
	rest, ok := strings.CutPrefix(path, place)
	return ok && (place == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// NotYetEffective returns the fields of the document that weft does not act upon yet, each with its line.
func (d *Document) NotYetEffective() []FieldNote {
	if d.Object == nil {
		return nil
	}
	notes := v3.NotYetEffective(d.Object)
	for i := range notes {
		notes[i].Line = d.root.LineOf(notes[i].Path)
	}
	return notes
}

// maxFile bounds what ReadDocuments takes into memory, in bytes.
const maxFile = 64 << 20

// ReadDocuments reads all objects of a YAML or JSON stream: several documents, and lists (Kubernetes List, Calico's IPPoolList
// and so on), whose items become documents of their own. file names the stream in messages. A document that
// cannot be read does not hide the others; the error is only for r itself.
func ReadDocuments(r io.Reader, file string) ([]Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read %s: larger than %d MiB; split it", file, maxFile>>20)
	}
	var out []Document
	index := 0
	for _, s := range split(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))) {
		roots, err := parse(s)
		for _, root := range roots {
			index++
			out = append(out, fromRoot(root, header{}, Document{File: file, Index: index, Line: root.Line})...)
		}
		if err != nil {
			index++
			out = append(out, broken(err, Document{File: file, Index: index, Line: s.line}))
		}
	}
	return out, nil
}

// broken is the document that could not be read at all.
func broken(err error, d Document) Document {
	problem := FieldError{Reason: err.Error(), Line: d.Line}
	var syntax *tree.SyntaxError
	if errors.As(err, &syntax) {
		problem.Reason = syntax.Reason
		problem.Line = max(syntax.Line, d.Line)
	}
	d.Problems = FieldErrors{problem}
	return d
}

// section is the text of one YAML document, or of a JSON stream.
type section struct {
	text []byte
	line int // of its start
}

// split cuts a stream at the lines that start a YAML document, so that an error in one document leaves the others readable.
func split(data []byte) []section {
	var out []section
	start, startLine, line := 0, 1, 0
	for offset := 0; offset < len(data); {
		line++
		end := len(data)
		if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
			end = offset + i + 1
		}
		text := bytes.TrimRight(data[offset:end], " \t\r\n")
		if offset > start && (string(text) == "---" || bytes.HasPrefix(text, []byte("--- "))) {
			out = append(out, section{data[start:offset], startLine})
			start, startLine = offset, line
		}
		offset = end
	}
	return append(out, section{data[start:], startLine})
}

// parse reads a section as JSON if it looks like it, else as YAML.
func parse(s section) ([]*tree.Node, error) {
	if first, rest, found := bytes.Cut(s.text, []byte("\n")); found && string(bytes.TrimRight(first, " \t\r")) == "---" {
		s = section{rest, s.line + 1}
	}
	if text := bytes.TrimLeft(s.text, " \t\r\n"); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		roots, err := tree.JSON(s.text, s.line)
		if err == nil {
			return roots, nil
		}
		if flow, errYAML := tree.YAML(s.text, s.line); errYAML == nil { // {apiVersion: v1} is YAML
			return flow, nil
		}
		return roots, err
	}
	return tree.YAML(s.text, s.line)
}

// fromRoot makes documents of one tree: one, or one for each item of a list.
func fromRoot(root *tree.Node, inherit header, d Document) []Document {
	items, isList, problem := listItems(root, &inherit)
	if problem != nil {
		d.Problems = FieldErrors{*problem}
		return []Document{d}
	}
	if !isList {
		d.root, d.inherit = root, inherit
		d.take(fromTree(root, inherit))
		return []Document{d}
	}
	var out []Document
	for i, item := range items {
		inner := d
		inner.Item, inner.Line, inner.root, inner.inherit = i+1, item.Line, item, inherit
		inner.take(fromTree(item, inherit))
		out = append(out, inner)
	}
	return out
}

func (d *Document) take(r reading) {
	d.read, d.Problems = r, r.problems
	if len(r.problems) == 0 {
		d.Object = r.object
	}
}

// listItems returns the items of a list: a sequence of objects, a Kubernetes List, or a list of one kind, whose items may leave out
// apiVersion and kind.
func listItems(root *tree.Node, inherit *header) (items []*tree.Node, isList bool, wrong *FieldError) {
	if root.Kind == tree.List {
		return root.Items, true, nil
	}
	h, problem := headerOf(root)
	name, isList := strings.CutSuffix(h.kind, "List")
	list := root.Get("items")
	switch {
	case problem != nil || !isList || list == nil && name != "":
		return nil, false, nil
	case list == nil || list.Kind == tree.Null:
		return nil, true, nil
	case list.Kind != tree.List:
		return nil, true, &FieldError{Path: "items", Line: root.LineOf("items"), Reason: fmt.Sprintf("is %s where a list of objects is expected", describe(list))}
	}
	if name != "" {
		*inherit = header{h.apiVersion, name}
	}
	return list.Items, true, nil
}
