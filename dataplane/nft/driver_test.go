// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
)

func TestConformance(t *testing.T) {
	for name, o := range map[string]Options{"optimised": {}, "indexed": {indexFrom: 1, portsFrom: 2}, "plain": {Plain: true}, "unguarded": {unguarded: true}} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(testing.TB) (drivertest.Driver, error) {
				return New(o)
			})
		})
	}
}
