// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package policybench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// firstRounds is how often an empty kernel is programmed by each side.
const firstRounds = 5

// first programs everything into an empty kernel: weft from the view, nft from a listing of the same table. Both begin with the deletion of
// the table of the round before, which is not counted.
func (w *world) first(ctx context.Context, remotes int, dir string) (measure.Row, error) {
	table := []string{"table", "inet", own.NFTable}
	listing, err := proc.Output(ctx, proc.Spec{Path: "nft", Args: append([]string{"list"}, table...), NS: w.peers.ns})
	if err != nil {
		return measure.Row{}, err
	}
	file := filepath.Join(dir, "table")
	if err := os.WriteFile(file, []byte(listing), 0o600); err != nil {
		return measure.Row{}, err
	}
	var ours, theirs measure.Samples
	for range firstRounds {
		if err := w.ours.driver.Remove(ctx); err != nil {
			return measure.Row{}, err
		}
		start := time.Now()
		if _, err := w.ours.driver.Apply(ctx, w.graph.View(), nil); err != nil {
			return measure.Row{}, err
		}
		ours.Add(time.Since(start))
		if _, err := proc.Output(ctx, proc.Spec{Path: "nft", Args: append([]string{"delete"}, table...), NS: w.peers.ns}); err != nil {
			return measure.Row{}, err
		}
		start = time.Now()
		if _, err := proc.Output(ctx, proc.Spec{Path: "nft", Args: []string{"-f", file}, NS: w.peers.ns}); err != nil {
			return measure.Row{}, err
		}
		theirs.Add(time.Since(start))
	}
	if err := w.peers.program(ctx, w.graph.View()); err != nil { // the tool writes sets and rules a little differently
		return measure.Row{}, err
	}
	work := fmt.Sprintf("first programming, %d remote endpoints", remotes)
	return measure.Compare(work, ours, "nft -f", theirs, measure.Duration, measure.AtMost(1)), nil
}
