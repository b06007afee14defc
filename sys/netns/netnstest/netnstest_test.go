// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"fmt"
	"testing"

	"github.com/weftnet/weft/sys/netns"
)

// TestNamesInUse: numbers of processes come again, and a test that was killed has left its namespaces.
func TestNamesInUse(t *testing.T) {
	first := New(t).Name()
	prefix := first[:len(first)-len(fmt.Sprintf("-%d", serial.Load()))]
	left, err := netns.Create(fmt.Sprintf("%s-%d", prefix, serial.Load()+1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = left.Close()
		if err := netns.Delete(left.Name()); err != nil {
			t.Error(err)
		}
	})
	if second := New(t).Name(); second == left.Name() || second == first {
		t.Errorf("%s is made anew", second)
	}
}
