// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package calctest puts calc.Graph to the test: Run feeds steps into a graph and holds all it puts out against the oracle. Steps come from
// Sequences of named states walked through in all ways of Expansions, or from a random Walk; Shrink makes a failing list of steps short.
//
// Tests of data planes can feed the same steps to a graph to get realistic deltas.
package calctest
