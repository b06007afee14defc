// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package scratch_test

import (
	"testing"

	"github.com/weftnet/weft/internal/scratch"
)

func TestEmpty(t *testing.T) {
	for _, n := range []int{0, 1, 64, 65, 1000} {
		m := map[int]bool{}
		for i := range n {
			m[i] = true
		}
		same := m
		scratch.Empty(&m)
		m[-1] = true
		if len(m) != 1 {
			t.Errorf("%d entries: %d are left", n, len(m)-1)
		}
		if used := same[-1]; used != (n <= 64) {
			t.Errorf("%d entries: the map is used again: %t", n, used)
		}
	}
}
