// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
)

func TestConformance(t *testing.T) {
	for name, from := range map[string]int{"chains": 0, "indexed": 1} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(testing.TB) (drivertest.Driver, error) {
				return New(Options{indexFrom: from})
			})
		})
	}
}
