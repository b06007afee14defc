// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"encoding/json"
	"flag"
	"fmt"
	"testing"
)

var (
	walkSteps = flag.Int("walk.steps", 600, "steps of each random walk")
	walkSeeds = flag.Uint64("walk.seeds", 6, "number of random walks")
	walkFrom  = flag.Uint64("walk.from", 1, "seed of the first random walk")
)

// TestPathIndependence walks through all named states in all ways.
func TestPathIndependence(t *testing.T) {
	for name, states := range Sequences() {
		t.Run(name, func(t *testing.T) {
			for _, e := range Expansions() {
				if err := Run(e.Expand(states)); err != nil {
					t.Fatalf("%s: %v", e.Name, err)
				}
			}
		})
	}
}

// TestRandomWalk runs random walks; a failing one is cut down and printed.
func TestRandomWalk(t *testing.T) {
	for seed := *walkFrom; seed < *walkFrom+*walkSeeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			steps := Walk(seed, *walkSteps)
			if Run(steps) == nil {
				return
			}
			steps = Shrink(steps, func(s []Step) bool { return Run(s) != nil })
			for _, s := range steps {
				for _, c := range s.Changes {
					text, err := json.Marshal(c.Object)
					t.Logf("%d flush=%t %s %s (%v) %v", c.Revision, s.Flush, c.Key, text, err, c.Err)
				}
			}
			t.Fatal(Run(steps))
		})
	}
}
