// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"runtime"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc/calctest"
)

// TestCostFollowsTheChange checks that a change costs the same work in a cluster ten times the size, counted in allocations, which do not
// depend on how busy the machine is.
func TestCostFollowsTheChange(t *testing.T) {
	small := changeCost(calctest.Scale{Locals: 20, Remotes: 1_000, Policies: 100})
	large := changeCost(calctest.Scale{Locals: 20, Remotes: 10_000, Policies: 1_000})
	for name, cost := range small {
		if large[name] > 1.2*cost+5 {
			t.Errorf("%s: %.0f allocations in the small cluster, %.0f in the large one", name, cost, large[name])
		}
	}
}

// changeCost returns the allocations of some kinds of change.
func changeCost(s calctest.Scale) map[string]float64 {
	g := load(s)
	remote, own := s.Locals+s.Remotes/2, 0
	alternate := map[string][2]api.Object{
		"label that matters":  {s.Endpoint(remote, calctest.Labels{"role": "monitor"}), s.Endpoint(remote, nil)},
		"label that does not": {s.Endpoint(remote, calctest.Labels{"x": "1"}), s.Endpoint(remote, nil)},
		"own label":           {s.Endpoint(own, calctest.Labels{"x": "1"}), s.Endpoint(own, nil)},
		"rule of a policy":    {s.Policy(0, "role == 'monitor'"), s.Policy(0, "role == 'other'")},
	}
	out := map[string]float64{}
	for name, versions := range alternate {
		n := 0
		out[name] = testing.AllocsPerRun(20, func() {
			n++
			g.Apply(put(versions[n%2], n))
			g.Flush()
		})
	}
	return out
}

// TestMemory checks what the graph holds of 10,000 remote endpoints and 500 policies: its share of the 80 MB that an agent may have.
func TestMemory(t *testing.T) {
	before := heap()
	g := load(calctest.Scale{Locals: 100, Remotes: 10_000, Policies: 500})
	held := heap() - before
	runtime.KeepAlive(g)
	if held > 10<<20 {
		t.Errorf("the graph holds %.1f MB, more than 10", float64(held)/(1<<20))
	}
	t.Logf("the graph holds %.1f MB", float64(held)/(1<<20))
}
