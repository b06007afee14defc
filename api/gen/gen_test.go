// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api"
)

const root = "../.."

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v); run make generate", name, err)
		}
	}
	for _, name := range stale(root, files) {
		t.Errorf("%s is no longer generated; run make generate", name)
	}
}

func TestFieldWithoutCommentIsRefused(t *testing.T) {
	dir := t.TempDir()
	source := "package v3\n\n// A is a type.\ntype A struct {\n\tB string `json:\"b\"`\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := comments(dir); err == nil || !strings.Contains(err.Error(), "A.B has no comment") {
		t.Errorf("error %v, want one that names A.B", err)
	}
}

// schemas reads the schema of each CRD, by Kind.
func schemas(t *testing.T) map[string]object {
	t.Helper()
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]object{}
	for name, text := range files {
		if !strings.HasPrefix(name, "api/schema/") {
			continue
		}
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema object }
				}
			}
		}
		if err := yaml.Unmarshal(text, &crd); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[crd.Spec.Names.Kind] = crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	return out
}

// TestSchemasAreStructural checks what Kubernetes demands of a schema, and that every field is described.
func TestSchemasAreStructural(t *testing.T) {
	for kind, schema := range schemas(t) {
		walkSchema(kind, schema, func(path string, s object) {
			if s["type"] == nil && s["x-kubernetes-int-or-string"] != true {
				t.Errorf("%s has no type", path)
			}
			if strings.Contains(path, ".") && !strings.HasSuffix(path, "[]") && !strings.HasSuffix(path, ".metadata") && s["description"] == nil {
				t.Errorf("%s has no description", path)
			}
		})
	}
}

func walkSchema(path string, s object, visit func(string, object)) {
	visit(path, s)
	if properties, ok := s["properties"].(object); ok {
		for name, p := range properties {
			walkSchema(path+"."+name, p.(object), visit)
		}
	}
	if items, ok := s["items"].(object); ok {
		walkSchema(path+"[]", items, visit)
	}
}

// TestCorpusSatisfiesSchemas checks that the API server would take what weft takes.
func TestCorpusSatisfiesSchemas(t *testing.T) {
	all := schemas(t)
	files, err := filepath.Glob(filepath.Join(root, "api/testdata/valid/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := api.ReadDocuments(bytes.NewReader(text), file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			kind := api.KindOf(d.Object)
			if kind == nil || kind.APIVersion != "projectcalico.org/v3" || all[kind.Kind] == nil {
				continue
			}
			data, err := api.Encode(d.Object)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(data, &value); err != nil {
				t.Fatal(err)
			}
			checked++
			for _, problem := range violations("", value, all[kind.Kind]) {
				t.Errorf("%s: %s", d.Where(), problem)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d objects were checked", checked)
	}
}

// violations is a small validator of the parts of OpenAPI that the CRDs use.
func violations(path string, v any, s object) []string {
	var out []string
	fail := func(format string, args ...any) { out = append(out, path+": "+fmt.Sprintf(format, args...)) }
	switch v := v.(type) {
	case object:
		if s["type"] != "object" {
			fail("is an object")
		}
		properties, _ := s["properties"].(object)
		for name, value := range v {
			if p, ok := properties[name].(object); ok {
				out = append(out, violations(path+"."+name, value, p)...)
			} else if more, ok := s["additionalProperties"].(object); ok {
				out = append(out, violations(path+"."+name, value, more)...)
			} else if properties != nil {
				fail("unknown field %s", name)
			}
		}
		for _, name := range asList(s["required"]) {
			if v[name.(string)] == nil {
				fail("lacks %s", name)
			}
		}
	case []any:
		if s["type"] != "array" {
			fail("is a list")
			break
		}
		if limit, ok := s["maxItems"].(float64); ok && len(v) > int(limit) {
			fail("has %d items", len(v))
		}
		for i, item := range v {
			out = append(out, violations(fmt.Sprintf("%s[%d]", path, i), item, s["items"].(object))...)
		}
	case string:
		if s["type"] != "string" && s["x-kubernetes-int-or-string"] != true {
			fail("is a string")
		}
		if enum := asList(s["enum"]); enum != nil && !slices.Contains(enum, any(v)) {
			fail("%q is none of %v", v, enum)
		}
		if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
			fail("%q does not match %s", v, pattern)
		}
		if limit, ok := s["maxLength"].(float64); ok && len(v) > int(limit) {
			fail("is too long")
		}
	case float64:
		if s["type"] != "integer" && s["type"] != "number" && s["x-kubernetes-int-or-string"] != true {
			fail("is a number")
		}
		if low, ok := s["minimum"].(float64); ok && v < low {
			fail("%v is below %v", v, low)
		}
		if high, ok := s["maximum"].(float64); ok && v > high {
			fail("%v is above %v", v, high)
		}
	case bool:
		if s["type"] != "boolean" {
			fail("is a boolean")
		}
	}
	return out
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}
