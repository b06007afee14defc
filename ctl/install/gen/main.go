// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command gen writes the manifest and the Helm chart into a directory: go run ./ctl/install/gen deploy.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/weftnet/weft/ctl/install"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	files, err := install.Files()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "chart")); err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
