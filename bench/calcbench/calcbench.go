// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package calcbench measures what one change costs the calculation: Run compares the graph with working everything out anew.
//
// One label of a remote endpoint changes in a made-up cluster of 100,000 endpoints. Beside it the oracle, which knows nothing of before, reads
// all objects and computes the same node. It takes minutes for that, so it is given a fiftieth of the endpoints: the true ratio is
// smaller.
package calcbench

import (
	"context"
	"errors"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/calc/oracle"
)

// The cluster, and the rounds of each side; the oracle takes seconds.
const (
	locals, remotes, policies = 100, 100_000, 100
	oracleRemotes             = remotes / 50
	rounds, oracleRounds      = 500, 3
)

// Run measures and returns the row.
func Run(ctx context.Context) ([]measure.Row, error) {
	size := calctest.Scale{Locals: locals, Remotes: remotes, Policies: policies}
	graph := calc.New(calctest.Me)
	for c := range size.Changes() {
		graph.Apply([]calc.Change{c})
	}
	graph.Flush()
	i := locals + remotes/2
	versions := [2]api.Object{size.Endpoint(i, calctest.Labels{"role": "monitor"}), size.Endpoint(i, nil)}
	var ours, theirs measure.Samples
	for n := range rounds {
		obj := versions[n%2]
		start := time.Now()
		graph.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj, Revision: 1}})
		if graph.Flush() == nil {
			return nil, errors.New("the change has no effect")
		}
		ours.Add(time.Since(start))
	}
	var everything []oracle.Version
	for c := range (calctest.Scale{Locals: locals, Remotes: oracleRemotes, Policies: policies}).Changes() {
		everything = append(everything, oracle.Version{Object: c.Object, Revision: c.Revision})
	}
	for range oracleRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := oracle.New(everything).Desired(calctest.Me); err != nil {
			return nil, err
		}
		theirs.Add(time.Since(start))
	}
	const work = "calculation of one relabel, 100,000 endpoints"
	return []measure.Row{measure.Compare(work, ours, "full recompute of 2,000", theirs, measure.Duration, measure.AtMost(0.001))}, nil
}
