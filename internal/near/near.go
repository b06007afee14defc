// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package near finds what a mistyped name was meant to be: Best(typed, known names).
package near

import (
	"iter"
	"strings"
)

// Best returns the candidate nearest to name by edit distance, ignoring case, or "" when none is near enough to be
// worth suggesting: more than a third of the longer name would have to change. Of equals, the first wins.
func Best(name string, candidates iter.Seq[string]) string {
	best, least := "", 1<<30
	for c := range candidates {
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if 3*d <= max(len(name), len(c)) && d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
