// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// JSON reads all JSON values of data, one after the other. Lines count from firstLine.
func JSON(data []byte, firstLine int) ([]*Node, error) {
	r := &jsonReader{data: data, line: firstLine, dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	var out []*Node
	for {
		n, err := r.next(0)
		switch {
		case errors.Is(err, io.EOF) && n == nil:
			return out, nil
		case err != nil:
			return out, r.explain(err)
		}
		out = append(out, n)
	}
}

type jsonReader struct {
	data []byte
	dec  *json.Decoder
	line int
	seen int64 // bytes whose newlines are counted in line
}

// token returns the next token and the line it ends on.
func (r *jsonReader) token() (json.Token, int, error) {
	t, err := r.dec.Token()
	at := r.dec.InputOffset()
	r.line += bytes.Count(r.data[r.seen:at], []byte("\n"))
	r.seen = at
	return t, r.line, err
}

// next reads one value. It returns nil and io.EOF at the end of the input.
func (r *jsonReader) next(depth int) (*Node, error) {
	t, line, err := r.token()
	if err != nil {
		return nil, err
	}
	return r.value(t, line, depth)
}

func (r *jsonReader) value(t json.Token, line, depth int) (*Node, error) {
	n := &Node{Line: line}
	switch v := t.(type) {
	case nil:
	case bool:
		n.Kind, n.Scalar = Bool, fmt.Sprint(v)
	case json.Number:
		n.Kind, n.Scalar = Number, v.String()
	case string:
		n.Kind, n.Scalar = Text, v
	case json.Delim:
		if depth >= maxDepth {
			return n, errTooDeep
		}
		if v == '[' {
			return n, r.list(n, depth)
		}
		return n, r.object(n, depth)
	}
	return n, nil
}

func (r *jsonReader) list(n *Node, depth int) error {
	n.Kind = List
	for r.dec.More() {
		item, err := r.next(depth + 1)
		if err != nil {
			return unexpectedEnd(err)
		}
		n.Items = append(n.Items, item)
	}
	_, _, err := r.token()
	return unexpectedEnd(err)
}

func (r *jsonReader) object(n *Node, depth int) error {
	n.Kind = Map
	for r.dec.More() {
		t, line, err := r.token()
		if err != nil {
			return unexpectedEnd(err)
		}
		key, _ := t.(string) // the decoder refuses other keys
		value, err := r.next(depth + 1)
		if err != nil {
			return unexpectedEnd(err)
		}
		n.Pairs = append(n.Pairs, Pair{key, line, value})
	}
	_, _, err := r.token()
	return unexpectedEnd(err)
}

func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *jsonReader) explain(err error) error {
	line := r.line
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &SyntaxError{line, "the JSON ends too early; a closing } or ] is missing"}
	case errors.As(err, &syntax) && syntax.Offset >= r.seen && syntax.Offset <= int64(len(r.data)):
		line += bytes.Count(r.data[r.seen:syntax.Offset], []byte("\n"))
	}
	return &SyntaxError{line, "no JSON: " + err.Error()}
}
