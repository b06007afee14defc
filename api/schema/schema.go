// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package schema holds the CustomResourceDefinitions of projectcalico.org/v3, generated from the types of api/v3: use [Definitions].
package schema

import (
	"embed"
	"fmt"
)

//go:embed *.yaml
var files embed.FS

// Definitions returns the definitions as YAML, in the order of their names.
func Definitions() ([][]byte, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	var out [][]byte
	for _, entry := range entries {
		data, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		out = append(out, data)
	}
	return out, nil
}
