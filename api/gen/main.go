// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command gen writes what follows from the Go types of api/v3 and api/clusterpolicy: run it with "go generate ./api/...".
//
// It writes the CRDs (api/schema), the reference pages (docs/reference) and the comments as a Go table for "weft
// explain" (api/docs_generated.go). Types and struct tags come by reflection, comments from the source.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(".."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes all files below the repository and removes generated ones that are no longer due.
func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
	}
	for _, name := range stale(root, files) {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of all generated files by their path from the root of the repository.
func generate(root string) (map[string][]byte, error) {
	docs, err := comments(filepath.Join(root, "api", "v3"), filepath.Join(root, "api", "clusterpolicy"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	if files["api/docs_generated.go"], err = docsTable(docs); err != nil {
		return nil, err
	}
	if err := crds(docs, files); err != nil {
		return nil, err
	}
	reference(docs, files)
	return files, nil
}

// stale returns files in the folders of generated files that generate does not make.
func stale(root string, files map[string][]byte) []string {
	var out []string
	for _, pattern := range []string{"api/schema/*.yaml", "docs/reference/*.md"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is well-formed
		for _, path := range found {
			name, err := filepath.Rel(root, path)
			if _, due := files[filepath.ToSlash(name)]; err == nil && !due {
				out = append(out, filepath.ToSlash(name))
			}
		}
	}
	return out
}
