// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// crds is where CustomResourceDefinitions are.
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// InstallSchema installs the CustomResourceDefinitions of api/schema and waits until they are served.
func (s *Server) InstallSchema(t testing.TB) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(file), "..", "..", "api", "schema", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no schema files: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.Must(t, http.MethodPost, crds, string(text))
	}
	for _, path := range paths {
		plural := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "projectcalico.org_"), ".yaml")
		s.WaitServed(t, "/apis/projectcalico.org/v3/"+plural)
	}
}

// WaitServed waits until the API server serves a resource.
func (s *Server) WaitServed(t testing.TB, path string) {
	t.Helper()
	s.Eventually(t, path+" to be served", func() error {
		code, answer, err := s.Do(t.Context(), http.MethodGet, path, "")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, answer)
		}
		return err
	})
}
