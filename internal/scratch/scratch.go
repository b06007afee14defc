// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package scratch empties maps that are filled anew each round: Empty.
package scratch

// most is how many entries a map may have had to be used again.
const most = 64

// Empty empties a map for the next round. A map keeps the room of the most that it ever held, and each walk over it goes through all of that: one that was
// full once is therefore given up, so that later rounds cost what they change.
func Empty[M ~map[K]V, K comparable, V any](m *M) {
	if len(*m) > most {
		*m = make(M)
		return
	}
	clear(*m)
}
