// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// Object is as much of an object as tells where it is.
type Object struct {
	APIVersion, Kind string
	Metadata         struct {
		Namespace, Name, ResourceVersion string
		Generation                       int
	}
	Spec struct {
		Versions []struct{ Name string } // of a CustomResourceDefinition
	}
}

// plurals are of kinds whose plural is not the kind with an s.
var plurals = map[string]string{"NetworkPolicy": "networkpolicies"}

// Path is where an object is in the API.
func (o *Object) Path() string {
	path := "/apis/" + o.APIVersion
	if !strings.Contains(o.APIVersion, "/") {
		path = "/api/" + o.APIVersion
	}
	if o.Metadata.Namespace != "" {
		path += "/namespaces/" + o.Metadata.Namespace
	}
	plural := plurals[o.Kind]
	if plural == "" {
		plural = strings.ToLower(o.Kind) + "s"
	}
	return path + "/" + plural + "/" + o.Metadata.Name
}

// Objects returns the objects of a manifest, with their texts.
func Objects(t testing.TB, manifest []byte) (objects []Object, texts []string) {
	t.Helper()
	for docs := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest))); ; {
		text, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return objects, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		var o Object
		if err := sigsyaml.Unmarshal(text, &o); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if o.Kind != "" {
			objects, texts = append(objects, o), append(texts, string(text))
		}
	}
}

// Apply applies a manifest as `kubectl apply --server-side` does, refusing unknown fields, and returns what changes with an object, by
// path: its generation, or its resourceVersion if it has none. Definitions are waited for.
func (s *Server) Apply(t testing.TB, manifest []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	objects, texts := Objects(t, manifest)
	for i, o := range objects {
		path := o.Path()
		code, answer, err := s.send(t.Context(), http.MethodPatch, path+"?fieldManager=kubectl&fieldValidation=Strict", "application/apply-patch+yaml", texts[i])
		if err != nil || code > 299 {
			t.Fatalf("apply %s: %d %v %s", path, code, err, answer)
		}
		var written Object
		if err := json.Unmarshal([]byte(answer), &written); err != nil {
			t.Fatal(err)
		}
		out[path] = written.Metadata.ResourceVersion
		if n := written.Metadata.Generation; n > 0 {
			out[path] = strconv.Itoa(n)
		}
		if o.Kind == "CustomResourceDefinition" {
			plural, group, _ := strings.Cut(o.Metadata.Name, ".")
			s.WaitServed(t, "/apis/"+group+"/"+o.Spec.Versions[0].Name+"/"+plural)
		}
	}
	return out
}
