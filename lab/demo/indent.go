// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"io"
)

// indent puts two spaces in front of every line. Each Write must hold whole lines.
type indent struct{ w io.Writer }

// Write implements io.Writer.
func (i indent) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if _, err := i.w.Write(append([]byte("  "), line...)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
