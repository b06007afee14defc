// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestScalars(t *testing.T) {
	for text, want := range map[string]Node{
		"80": {Kind: Number, Scalar: "80"}, "0x1f": {Kind: Number, Scalar: "31"}, "010": {Kind: Number, Scalar: "8"}, "1.10": {Kind: Number, Scalar: "1.10"},
		"1_000": {Kind: Number, Scalar: "1000"}, "+5": {Kind: Number, Scalar: "5"}, "-0.5": {Kind: Number, Scalar: "-0.5"},
		"True": {Kind: Bool, Scalar: "true"}, "false": {Kind: Bool, Scalar: "false"}, "yes": {Kind: Text, Scalar: "yes"},
		"~": {Kind: Null}, "": {Kind: Null}, "null": {Kind: Null}, `"80"`: {Kind: Text, Scalar: "80"}, "'true'": {Kind: Text, Scalar: "true"},
		"10.0.0.0/8": {Kind: Text, Scalar: "10.0.0.0/8"}, "2026-01-31": {Kind: Text, Scalar: "2026-01-31"}, "fd00::/8": {Kind: Text, Scalar: "fd00::/8"},
		"ee:ee:ee:ee:ee:ee": {Kind: Text, Scalar: "ee:ee:ee:ee:ee:ee"}, "1:20": {Kind: Text, Scalar: "1:20"}, "|-\n  a\n  b": {Kind: Text, Scalar: "a\nb"},
	} {
		got, err := YAML([]byte("k: "+text+"\n"), 1)
		if err != nil || len(got) != 1 {
			t.Errorf("%q: %v, %v", text, got, err)
			continue
		}
		v := got[0].Get("k")
		if v.Kind != want.Kind || v.Scalar != want.Scalar {
			t.Errorf("%q is %v %q, want %v %q", text, v.Kind, v.Scalar, want.Kind, want.Scalar)
		}
	}
}

const sample = `{
  "a": [1, -2.5, "x", true, null],
  "b.c": {"d": {}, "e": []},
  "a": 1
}`

// TestBothReadersAgree: JSON is YAML, so both readers must see the same.
func TestBothReadersAgree(t *testing.T) {
	fromJSON, err := JSON([]byte(sample), 5)
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := YAML([]byte(sample), 5)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(strip(fromJSON[0]), strip(fromYAML[0])) {
		t.Errorf("JSON gives %s, YAML %s", fromJSON[0].AppendJSON(nil), fromYAML[0].AppendJSON(nil))
	}
	for path, want := range map[string]int{"": 5, "a[1]": 6, "b.c.d": 7, "b.c.nothing": 7, "nothing": 5, "a[9]": 6} {
		if got := fromJSON[0].LineOf(path); got != want {
			t.Errorf("JSON: %q is on line %d, want %d", path, got, want)
		}
		if got := fromYAML[0].LineOf(path); got != want {
			t.Errorf("YAML: %q is on line %d, want %d", path, got, want)
		}
	}
	if got := string(fromJSON[0].AppendJSON(nil)); got != `{"a":[1,-2.5,"x",true,null],"b.c":{"d":{},"e":[]},"a":1}` {
		t.Errorf("written as %s", got)
	}
}

// strip leaves out what only YAML knows, and where lines are counted differently.
func strip(n *Node) *Node {
	out := &Node{Kind: n.Kind, Scalar: n.Scalar}
	for _, item := range n.Items {
		out.Items = append(out.Items, strip(item))
	}
	for _, p := range n.Pairs {
		out.Pairs = append(out.Pairs, Pair{Key: p.Key, Value: strip(p.Value)})
	}
	return out
}

func TestMergesAndAliases(t *testing.T) {
	got, err := YAML([]byte("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nsame: *b\n"), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"base":{"x":1,"y":2},"one":{"y":3,"x":1},"two":{"x":1,"y":2,"z":4},"same":{"x":1,"y":2}}`
	if text := string(got[0].AppendJSON(nil)); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

func TestHostileInput(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [*" + p + strings.Repeat(",*"+p, 9) + "]\n"
	}
	for name, text := range map[string]string{
		"bomb": bomb, "deep YAML": strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "self": "a: &a [*a]",
		"deep blocks": deepBlocks(300),
	} {
		if _, err := YAML([]byte(text), 1); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := JSON([]byte(strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), 1); err == nil {
		t.Error("deep JSON is accepted")
	}
}

func deepBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestSyntaxErrorsHaveLines(t *testing.T) {
	for _, c := range []struct {
		text string
		json bool
		line int
		part string
	}{
		{"a: 1\nb:\n\tc: 2\n", false, 13, "tabs"},
		{"a: b: c\n", false, 11, "':'"},
		{"a:\n- b\n- c: {d: 1\ne: 2\n", false, 13, "',' or '}'"},
		{"a:\n  b: 1\n c: 2\n", false, 13, "indented wrongly"},
		{"a: \"b\nc: d\n", false, 11, "not closed"},
		{"a: 1\nb: *c\n", false, 12, "anchor"},
		{"{\n\"a\": 1,\n}", true, 13, "no JSON"},
		{"{\n\"a\": 1\n", true, 12, "ends too early"},
		{"[1,\n2", true, 12, "ends too early"},
	} {
		read := YAML
		if c.json {
			read = JSON
		}
		_, err := read([]byte(c.text), 11)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Line != c.line || !strings.Contains(syntax.Reason, c.part) {
			t.Errorf("%q: %v, want line %d and %q", c.text, err, c.line, c.part)
		}
	}
}

func FuzzReaders(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("a: &b [1, *b]\n<<: {c: d}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte, int) ([]*Node, error){YAML, JSON} {
			nodes, err := read(data, 1)
			for _, n := range nodes {
				if text := n.AppendJSON(nil); err == nil && !json.Valid(text) {
					t.Errorf("%q is written as %s, which is no JSON", data, text)
				}
			}
		}
	})
}
