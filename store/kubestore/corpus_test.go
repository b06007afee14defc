// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// corpus creates every valid object of api/testdata. What the datastore etcd takes, a real Kubernetes API has to take as well, and to give back as
// its user wrote it.
func corpus(t *testing.T, s *Store) {
	files, err := filepath.Glob("../../api/testdata/valid/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	count := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := api.ReadDocuments(bytes.NewReader(data), filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if d.Object != nil && api.KeyOf(d.Object).Resource != api.Services { // with addresses of a cluster that this one is not
				count++
				corpusObject(t, s, d.Where(), d.Object)
			}
		}
	}
	t.Logf("%d objects", count)
}

func corpusObject(t *testing.T, s *Store, where string, obj api.Object) {
	t.Helper()
	out, err := s.Create(t.Context(), obj)
	if errors.Is(err, store.ErrExists) {
		bare := api.Clone(obj)
		bare.SetResourceVersion("")
		out, err = s.Update(t.Context(), bare)
	}
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if kind := api.KindOf(obj); kind.APIVersion != v3.APIVersion || kind.Resource == api.Nodes {
		return // Kubernetes fills its own kinds in
	}
	if got, want := specOf(t, out), specOf(t, obj); got != want {
		t.Errorf("%s: %s has the spec\n%s, written was\n%s", where, api.KeyOf(obj), got, want)
	}
}

func specOf(t *testing.T, obj api.Object) string {
	t.Helper()
	data, err := api.Encode(obj)
	if err != nil {
		t.Fatal(err)
	}
	var parts struct {
		Spec any `json:"spec"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(parts.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
