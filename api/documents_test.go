// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api/internal/tree"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

var checks = Checks{Selector: selector.ValidateSyntax}

func corpus(t testing.TB, pattern string) map[string][]Document {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	out := map[string][]Document{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := ReadDocuments(bytes.NewReader(data), filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		out[file] = docs
	}
	return out
}

func TestValidCorpus(t *testing.T) {
	kindsSeen := map[*Kind]bool{}
	for _, docs := range corpus(t, "testdata/valid/*") {
		for _, d := range docs {
			for _, e := range d.Check(checks) {
				t.Errorf("%s: line %d: %v", d.Where(), e.Line, e)
			}
			if d.Object != nil {
				kindsSeen[KindOf(d.Object)] = true
			}
		}
	}
	for k := range Kinds() {
		if !k.Machine && !kindsSeen[k] {
			t.Errorf("testdata/valid has no %s (%s)", k.Kind, k.APIVersion)
		}
	}
}

// TestDefaultsAreValid fills the defaults of what is valid: that must neither make it invalid nor, done twice, change it.
func TestDefaultsAreValid(t *testing.T) {
	for _, docs := range corpus(t, "testdata/valid/*") {
		for _, d := range docs {
			if d.Object == nil || KindOf(d.Object) == FelixConfigurations.Kind() || KindOf(d.Object) == BGPConfigurations.Kind() {
				continue // layered: absent fields mean something
			}
			once := d
			once.Object = Clone(d.Object)
			SetDefaults(once.Object)
			for _, e := range once.Check(checks) {
				t.Errorf("%s with defaults: %v", d.Where(), e)
			}
			twice := Clone(once.Object)
			SetDefaults(twice)
			if !reflect.DeepEqual(twice, once.Object) {
				t.Errorf("%s: defaults applied twice give %+v, once %+v", d.Where(), twice, once.Object)
			}
		}
	}
}

// TestRoundTrip compares what users wrote with what comes back from the store, as plain trees read by another YAML reader.
func TestRoundTrip(t *testing.T) {
	for file, docs := range corpus(t, "testdata/valid/*") {
		for _, d := range docs {
			if d.Object == nil {
				continue
			}
			data, err := Encode(d.Object)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := DecodeLenient(data)
			if err != nil {
				t.Fatalf("%s: %v", d.Where(), err)
			}
			again, err := Encode(Clone(stored))
			if err != nil {
				t.Fatal(err)
			}
			if want, got := plain(t, d.root.AppendJSON(nil), KindOf(d.Object)), plain(t, again, nil); !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s comes back as\n%v\nbut was written as\n%v", file, d.Where(), show(got), show(want))
			}
			strict, err := Decode(data)
			if err != nil || !reflect.DeepEqual(strict, d.Object) {
				t.Errorf("%s: Decode of the encoded object = %v, %v", d.Where(), strict, err)
			}
		}
	}
}

// plain reads JSON into maps and lists without nulls. k fills in what list items inherit.
func plain(t *testing.T, data []byte, k *Kind) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if k != nil {
		v["apiVersion"], v["kind"] = k.APIVersion, k.Kind
	}
	return normal(v)
}

// normal leaves out what means absence to everybody: nulls, empty strings where the field is text, an empty spec, and the
// two spellings of a YAML 1.1 boolean.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if m, ok := value.(map[string]any); ok && len(m) == 0 && (key == "spec" || key == "status") {
				continue
			}
			if value != nil {
				out[key] = normal(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = normal(v[i])
		}
		return out
	case string:
		if v == "yes" {
			return true
		}
	}
	return v
}

func show(v any) string {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestInvalidCorpus checks the exact messages for bad manifests: each testdata/invalid/NAME.yaml has them in NAME.want. Run with -update after
// a change of wording, and read the difference.
func TestInvalidCorpus(t *testing.T) {
	for file, docs := range corpus(t, "testdata/invalid/*.yaml") {
		var got strings.Builder
		for _, d := range docs {
			for _, e := range d.Check(checks) {
				fmt.Fprintf(&got, "%s, line %d: %v\n", d.Where(), e.Line, e)
			}
		}
		golden := strings.TrimSuffix(file, ".yaml") + ".want"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s gives\n%s\nwant\n%s", file, got.String(), want)
		}
	}
}

func TestNotYetEffectiveCorpus(t *testing.T) {
	var got strings.Builder
	for _, docs := range corpus(t, "testdata/valid/pools.yaml") {
		for _, d := range docs {
			for _, n := range d.NotYetEffective() {
				fmt.Fprintf(&got, "%d %s %s\n", n.Line, d.Object.GetName(), n.Path)
			}
		}
	}
	want := `54 default spec.kubeVirtVMAddressPersistence
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestReadDocumentsPositions(t *testing.T) {
	docs, err := ReadDocuments(strings.NewReader("# c\n---\nkind: x\n---\n---\n- a: 1\n- b: 2\n---\n\tbad\n---\nkind: Tier\napiVersion: projectcalico.org/v3\nmetadata: {name: ok}\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, fmt.Sprintf("%s line %d ok=%v", d.Where(), d.Line, d.Object != nil))
	}
	want := []string{
		"f, document 1 line 3 ok=false", "f, document 2, item 1 line 6 ok=false", "f, document 2, item 2 line 7 ok=false",
		"f, document 3 line 8 ok=false", "f, document 4 line 11 ok=true",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestReadDocumentsOfBadReaders(t *testing.T) {
	if _, err := ReadDocuments(strings.NewReader(strings.Repeat("#", maxFile+1)), "big.yaml"); err == nil || !strings.Contains(err.Error(), "big.yaml: larger than 64 MiB") {
		t.Errorf("a file that is too large: %v", err)
	}
	broken := errors.New("disk on fire")
	if _, err := ReadDocuments(iotest.ErrReader(broken), "f"); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	if docs, err := ReadDocuments(strings.NewReader("\xef\xbb\xbf# only a comment\n---\n"), "f"); err != nil || len(docs) != 0 {
		t.Errorf("a file without objects: %v, %v", docs, err)
	}
}

func FuzzReadDocuments(f *testing.F) {
	for _, pattern := range []string{"testdata/valid/*", "testdata/invalid/*.yaml"} {
		for file := range corpus(f, pattern) {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := ReadDocuments(bytes.NewReader(data), "fuzz")
		if err != nil {
			t.Fatalf("an error of the reader: %v", err)
		}
		for _, d := range docs {
			if (d.Object == nil) == (len(d.Problems) == 0) {
				t.Errorf("%s: object %v and problems %v", d.Where(), d.Object, d.Problems)
			}
			d.Check(checks)
			d.NotYetEffective()
			if d.Object != nil {
				stable(t, d.Object)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, docs := range corpus(f, "testdata/valid/*") {
		for _, d := range docs {
			if d.Object == nil {
				continue
			}
			data, err := Encode(d.Object)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, err := Decode(data)
		if err != nil {
			return
		}
		if _, err := DecodeLenient(data); err != nil {
			t.Errorf("Decode takes what DecodeLenient refuses: %v", err)
		}
		stable(t, obj)
	})
}

// stable checks that an object is the same after a trip through the store, and that defaults do not depend on it.
func stable(t *testing.T, obj Object) {
	t.Helper()
	first, err := Encode(obj)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	back, err := DecodeLenient(first)
	if err != nil {
		t.Fatalf("decode %s: %v", first, err)
	}
	second, err := Encode(back)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("a second trip gives %s (%v), the first %s", second, err, first)
	}
	filled := Clone(back)
	SetDefaults(filled)
	if again, err := Encode(back); err != nil || !bytes.Equal(again, second) {
		t.Fatalf("SetDefaults on a clone changed the original: %s", again)
	}
	_ = v3.NotYetEffective(filled)
}

// TestOneMistakeOneLine makes each value of each valid document one of the wrong type, and gives each group of fields one more that is unknown: one line says
// so, and nothing is said that only follows from it.
func TestOneMistakeOneLine(t *testing.T) {
	tried := 0
	for _, docs := range corpus(t, "testdata/valid/*") {
		for _, d := range docs {
			for n, path := range values(d.root, "") {
				if path == "" || path == "apiVersion" || path == "kind" || n.Kind == tree.Null {
					continue
				}
				before := *n
				wrong := tree.Node{Kind: tree.List, Line: n.Line, Items: []*tree.Node{{Kind: tree.Map}}}
				if n.Kind == tree.List {
					wrong = tree.Node{Kind: tree.Text, Scalar: "wrong", Line: n.Line}
				}
				*n = wrong
				tried++
				onlyComplaint(t, d, path)
				*n = before
				if n.Kind == tree.Map && !free.MatchString(path) {
					n.Pairs = append(n.Pairs, tree.Pair{Key: "qqqqqqqq", Line: n.Line, Value: &tree.Node{Kind: tree.Text}})
					onlyComplaint(t, d, join(path, "qqqqqqqq"))
					*n = before
				}
			}
		}
	}
	if tried < 500 {
		t.Errorf("%d values tried", tried)
	}
}

// free are groups of fields of any name.
var free = regexp.MustCompile(`([lL]abels|[aA]nnotations|spec.selector|labelsToApply|LogFilters|environmentVars)$`)

// onlyComplaint expects a single complaint about a document, at or below a path.
func onlyComplaint(t *testing.T, d Document, path string) {
	t.Helper()
	for _, again := range fromRoot(d.root, d.inherit, Document{File: d.File, Index: d.Index, Item: d.Item}) {
		if found := again.Check(checks); len(found) != 1 || !within(found[0].Path, path) {
			t.Errorf("%s, wrong %s: %v", d.Where(), path, found)
		}
	}
}

// values yields a node and all below, with their paths.
func values(n *tree.Node, path string) iter.Seq2[*tree.Node, string] {
	return func(yield func(*tree.Node, string) bool) { walk(n, path, yield) }
}

func walk(n *tree.Node, path string, yield func(*tree.Node, string) bool) bool {
	if !yield(n, path) {
		return false
	}
	for i, item := range n.Items {
		if !walk(item, fmt.Sprintf("%s[%d]", path, i), yield) {
			return false
		}
	}
	for _, p := range n.Pairs {
		if !walk(p.Value, join(path, p.Key), yield) {
			return false
		}
	}
	return true
}
