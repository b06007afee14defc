// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package interop runs nodes as processes of their own, each in a network namespace, against each other and against other programs:
// BIRD as a top-of-rack switch, GoBGP's daemon as a route reflector, FRR as a neighbour.
package interop

import (
	"fmt"
	"os"
	"testing"
)

// nodeDir is the environment variable that makes this test binary a node; see node_test.go.
const nodeDir = "WEFT_INTEROP_NODE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(nodeDir); dir != "" {
		if err := runNode(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
