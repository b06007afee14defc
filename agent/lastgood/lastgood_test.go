// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lastgood_test

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// TestLongNames: objects whose names are as long as they may be, and equal in what a file name holds of them, are kept apart.
func TestLongNames(t *testing.T) {
	dir, err := lastgood.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var keys []api.Key
	for _, end := range []string{"a", "b"} {
		set := &v3.GlobalNetworkSet{ObjectMeta: v3.ObjectMeta{Name: strings.Repeat("x", 252) + end}}
		keys = append(keys, api.KeyOf(set))
		if err := dir.Put(set); err != nil {
			t.Fatal(err)
		}
	}
	for left := 2; left >= 0; left-- {
		objects, damaged, err := dir.Load()
		if err != nil || len(damaged) > 0 || len(objects) != left {
			t.Errorf("%d objects, %v, %v; want %d", len(objects), damaged, err, left)
		}
		if left > 0 {
			if err := dir.Delete(keys[left-1]); err != nil {
				t.Error(err)
			}
		}
	}
}
