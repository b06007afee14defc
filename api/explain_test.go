// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		kind, path string
		want       FieldDoc
		doc        string // part of it
		fields     string // names inside
	}{
		{"ippool", "", FieldDoc{Name: "IPPool", Type: "projectcalico.org/v3"}, "range of addresses", "kind apiVersion metadata spec status"},
		{"ippool", "spec.blockSize", FieldDoc{Path: "spec.blockSize", Name: "blockSize", Type: "integer", Immutable: true,
			Default: "26 for IPv4, 122 for IPv6", Limits: "0 to 128"}, "blockSize is the prefix length", ""},
		{"ippool", "spec.cidr", FieldDoc{Path: "spec.cidr", Name: "cidr", Type: "string", Immutable: true, Required: true, Limits: "at most 48 characters"}, "host bits", ""},
		{"ippool", "spec.natOutgoing", FieldDoc{Path: "spec.natOutgoing", Name: "natOutgoing", Type: "boolean", Default: "false"}, "source address", ""},
		{"gnp", "spec.ingress[0].source", FieldDoc{Path: "spec.ingress.source", Name: "source", Type: "EntityRule"}, "comes from",
			"nets notNets selector notSelector namespaceSelector ports notPorts serviceAccounts services"},
		{"bgppeer", "spec.asNumber", FieldDoc{Path: "spec.asNumber", Name: "asNumber", Type: "AS number"}, "peer's AS number", ""},
		{"bgpconfig", "spec.nodeMeshPassword.secretKeyRef.name", FieldDoc{Path: "spec.nodeMeshPassword.secretKeyRef.name", Name: "name", Type: "string",
			Later: "sessions have no passwords yet"}, "referent", ""},
		{"felixconfig", "spec.natPortRange", FieldDoc{Path: "spec.natPortRange", Name: "natPortRange", Type: "integer or string", Default: "0"}, "source ports", ""},
		{"knp", "spec.podSelector", FieldDoc{Path: "spec.podSelector", Name: "podSelector", Type: "LabelSelector"}, "selects the pods", "matchLabels matchExpressions"},
		{"profile", "spec.labelsToApply", FieldDoc{Path: "spec.labelsToApply", Name: "labelsToApply", Type: "map of string"}, "labels", ""},
		{"tier", "metadata.labels", FieldDoc{Path: "metadata.labels", Name: "labels", Type: "map of string"}, "Map of string keys", ""},
	} {
		k, err := Lookup(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Explain(k, c.path)
		if err != nil {
			t.Errorf("Explain(%s, %s): %v", c.kind, c.path, err)
			continue
		}
		var names []string
		for _, f := range got.Fields {
			names = append(names, f.Name)
		}
		if strings.Join(names, " ") != c.fields {
			t.Errorf("%s %s has fields %q, want %q", c.kind, c.path, strings.Join(names, " "), c.fields)
		}
		if !strings.Contains(got.Doc, c.doc) {
			t.Errorf("%s %s: doc %q lacks %q", c.kind, c.path, got.Doc, c.doc)
		}
		got.Doc, got.Fields = "", nil
		if c.want.Fields == nil && !equalDoc(got, c.want) {
			t.Errorf("%s %s = %+v, want %+v", c.kind, c.path, got, c.want)
		}
	}
}

func equalDoc(a, b FieldDoc) bool {
	a.Fields, b.Fields = nil, nil
	return a.Path == b.Path && a.Name == b.Name && a.Type == b.Type && a.Required == b.Required && a.Immutable == b.Immutable &&
		a.Default == b.Default && a.Limits == b.Limits && a.Later == b.Later
}

func TestExplainUnknown(t *testing.T) {
	for path, want := range map[string]string{
		"spec.blocksize":      `there is no field "spec.blocksize"; did you mean blockSize?`,
		"spec.cidr.x":         "spec.cidr has no fields of its own",
		"sepc":                "did you mean spec?",
		"spec.":               "there is no field",
		"spec.allowedUses[0]": "",
	} {
		_, err := Explain(IPPools.Kind(), path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Explain(%q): %v, want %q", path, err, want)
		}
	}
}

// TestEverythingIsExplained walks all fields of all kinds that people write.
func TestEverythingIsExplained(t *testing.T) {
	var walk func(k *Kind, path string, depth int)
	walk = func(k *Kind, path string, depth int) {
		doc, err := Explain(k, path)
		if err != nil {
			t.Errorf("%s: %v", k.Kind, err)
			return
		}
		if doc.Doc == "" || doc.Type == "" {
			t.Errorf("%s %s has no doc or type: %+v", k.Kind, path, doc)
		}
		for _, f := range doc.Fields {
			if f.Path != "metadata" && depth < 8 {
				walk(k, f.Path, depth+1)
			}
		}
	}
	for k := range Kinds() {
		if k.APIVersion == "projectcalico.org/v3" {
			walk(k, "", 0)
		}
	}
}
