// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
)

var scales = []calctest.Scale{
	{Locals: 100, Remotes: 10_000, Policies: 500},
	{Locals: 100, Remotes: 10_000, Policies: 2_000},
	{Locals: 100, Remotes: 100_000, Policies: 500},
	{Locals: 100, Remotes: 100_000, Policies: 2_000},
}

// load makes a graph of that size; the objects are garbage afterwards, as they are in the agent.
func load(s calctest.Scale) *calc.Graph {
	g := calc.New(calctest.Me)
	for c := range s.Changes() {
		g.Apply([]calc.Change{c})
	}
	g.Flush()
	return g
}

func eachScale(b *testing.B, run func(*testing.B, calctest.Scale)) {
	for _, s := range scales {
		b.Run(fmt.Sprintf("remotes=%d/policies=%d", s.Remotes, s.Policies), func(b *testing.B) { run(b, s) })
	}
}

func put(obj api.Object, revision int) []calc.Change {
	return []calc.Change{{Key: api.KeyOf(obj), Object: obj, Revision: uint64(revision)}}
}

// BenchmarkLabelChange puts a label on a remote endpoint, or takes it off, that makes it a member of one IP set more.
func BenchmarkLabelChange(b *testing.B) {
	eachScale(b, func(b *testing.B, s calctest.Scale) {
		g := load(s)
		i := s.Locals + s.Remotes/2
		versions := []api.Object{s.Endpoint(i, calctest.Labels{"role": "monitor"}), s.Endpoint(i, nil)}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			g.Apply(put(versions[n%2], n))
			if d := g.Flush(); d == nil || len(d.IPSets) == 0 {
				b.Fatalf("the change has no effect: %s", calctest.Describe(d))
			}
		}
	})
}

// BenchmarkLeaveLargeSet puts a label on a remote endpoint, or takes it off, that makes it leave the set of nearly all endpoints, as `make bench` does.
func BenchmarkLeaveLargeSet(b *testing.B) {
	eachScale(b, func(b *testing.B, s calctest.Scale) {
		g := load(s)
		g.Apply(put(calctest.Policy("namespace-00/clients", func(p *v3.NetworkPolicySpec) {
			p.Selector = "app == 'app-00'"
			p.Ingress = []v3.Rule{{Action: v3.Allow, Source: &v3.EntityRule{NamespaceSelector: "all()", Selector: "!has(retired)"}}}
		}), 1))
		g.Flush()
		i := s.Locals + s.Remotes/2
		versions := []api.Object{s.Endpoint(i, calctest.Labels{"retired": "yes"}), s.Endpoint(i, nil)}
		key := api.KeyOf(versions[0])
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			g.Apply([]calc.Change{{Key: key, Object: versions[n%2], Revision: uint64(n)}})
			if d := g.Flush(); d == nil || len(d.IPSets) != 1 {
				b.Fatalf("the change has no effect: %s", calctest.Describe(d))
			}
		}
	})
}

// BenchmarkIrrelevantChange puts a label that nothing asks for on a remote endpoint.
func BenchmarkIrrelevantChange(b *testing.B) {
	eachScale(b, func(b *testing.B, s calctest.Scale) {
		g := load(s)
		i := s.Locals + s.Remotes/2
		versions := []api.Object{s.Endpoint(i, calctest.Labels{"x": "1"}), s.Endpoint(i, nil)}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			g.Apply(put(versions[n%2], n))
			if d := g.Flush(); d != nil {
				b.Fatalf("the change has an effect: %s", calctest.Describe(d))
			}
		}
	})
}

// BenchmarkPolicyChange gives a policy in force another rule and takes it away again.
func BenchmarkPolicyChange(b *testing.B) {
	eachScale(b, func(b *testing.B, s calctest.Scale) {
		g := load(s)
		policies := []api.Object{s.Policy(0, "app == 'app-05'"), s.Policy(0, "app == 'app-06'")}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			g.Apply(put(policies[n%2], n))
			if d := g.Flush(); d == nil || len(d.Policies) == 0 {
				b.Fatalf("the change has no effect: %s", calctest.Describe(d))
			}
		}
	})
}

// BenchmarkNodeChange moves one of 1,000 nodes of the mesh to another address.
func BenchmarkNodeChange(b *testing.B) {
	node := func(i, last int) api.Object {
		return calctest.Node(fmt.Sprintf("n%d", i), nil, fmt.Sprintf("10.%d.%d.%d/8", i>>8, i&0xff, last), "")
	}
	g := calc.New(calctest.Me)
	for i := range 1000 {
		g.Apply(put(node(i, 1), i))
	}
	g.Flush()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		g.Apply(put(node(500, 2+n%2), n))
		if d := g.Flush(); d == nil || len(d.BGP.Peers) != 999 {
			b.Fatalf("the change has no effect: %s", calctest.Describe(d))
		}
	}
}

// BenchmarkStart loads everything from nothing, as the agent does when it starts.
func BenchmarkStart(b *testing.B) {
	eachScale(b, func(b *testing.B, s calctest.Scale) {
		var g *calc.Graph
		before := heap()
		for b.Loop() {
			g = load(s)
		}
		held := heap() - before
		b.ReportMetric(float64(held)/float64(s.Remotes), "B/endpoint")
		b.ReportMetric(float64(held)/(1<<20), "MB-held")
		runtime.KeepAlive(g)
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
