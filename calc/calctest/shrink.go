// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import "slices"

// Shrink returns a short list of steps that still fails: as long as that is so, it leaves parts out, first halves, then ever smaller pieces.
func Shrink(steps []Step, fails func([]Step) bool) []Step {
	steps = singly(steps)
	for size := len(steps) / 2; size > 0; size /= 2 {
		for at := 0; at < len(steps); {
			shorter := slices.Concat(steps[:at], steps[min(at+size, len(steps)):])
			if fails(shorter) {
				steps = shorter
			} else {
				at += size
			}
		}
	}
	return steps
}

// singly gives each change a step of its own; only the last of those that were together flushes.
func singly(steps []Step) []Step {
	var out []Step
	for _, s := range steps {
		if s.Links != nil || s.Tunnels != nil || s.Met != nil {
			out = append(out, Step{Links: s.Links, Tunnels: s.Tunnels, Met: s.Met, Flush: s.Flush && len(s.Changes) == 0})
		}
		for i := range s.Changes {
			out = append(out, Step{Changes: s.Changes[i : i+1], Flush: s.Flush && i == len(s.Changes)-1})
		}
	}
	return out
}
