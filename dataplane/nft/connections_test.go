// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// BenchmarkConnections measures connections a second between two workloads of a host, each with a request and a response. The policies stand in
// front of the receiver: each names peers and a port of its own, or ports alone, and the last one allows. Beside it: bare routing, and
// routing with conntrack and one rule; a plain rendering has one chain and one set for each policy. Every figure is the median of the ratios to
// its neighbour in the same round.
func BenchmarkConnections(b *testing.B) {
	conntrack := filepath.Join(b.TempDir(), "conntrack")
	check(b, os.WriteFile(conntrack, []byte("table inet weft { chain f { type filter hook forward priority 0; ct state established accept; }; }"), 0o600))
	under := func(o Options, view *desired.State) func(*path) {
		return func(p *path) { apply(b, openDriver(b, p.router, o), view, nil) }
	}
	modes := map[string]func(p *path){
		"bare":            func(*path) {},
		"conntrack":       func(p *path) { nftTool(b, p.router, "-f", conntrack) },
		"peers-1":         under(Options{}, inFront(b, 1)),
		"peers-100":       under(Options{}, inFront(b, 100)),
		"peers-1000":      under(Options{}, inFront(b, 1000)),
		"peers-100-plain": under(Options{Plain: true}, inFront(b, 100)),
		"ports-100":       under(Options{}, portsInFront(b, 100)),
		"ports-100-plain": under(Options{Plain: true}, portsInFront(b, 100)),
	}
	ends := map[string]traffic.Ends{}
	for name, program := range modes {
		p := newPath(b)
		program(p)
		ends[name] = traffic.Ends{Client: p.a, Server: p.b, Addr: netip.MustParseAddr("10.65.0.2"), Port: 5432}
	}
	rate := func(mode string) float64 {
		r, err := traffic.Connect(b.Context(), ends[mode], 150*time.Millisecond)
		check(b, err)
		return r
	}
	for _, pair := range []struct{ ours, beside string }{
		{"conntrack", "bare"}, {"peers-100", "bare"}, {"peers-1000", "bare"}, {"peers-1000", "peers-1"},
		{"peers-100", "peers-100-plain"}, {"ports-100", "ports-100-plain"},
	} {
		b.Run(pair.ours+"-beside-"+pair.beside, func(b *testing.B) {
			var ratios measure.Samples
			for b.Loop() {
				ratios = append(ratios, rate(pair.ours)/rate(pair.beside))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ratios.Median(), "ratio")
		})
	}
}

// portsInFront is n policies in front of cali2 that each allow a port; the last one 5432.
func portsInFront(t testing.TB, n int) *desired.State {
	t.Helper()
	var b build
	var ids []rule.PolicyID
	for i := range n {
		port := cmp.Or(map[int]uint16{n - 1: 5432}[i], uint16(10000+i))
		ids = append(ids, b.Policy(np(fmt.Sprintf("p%d", i)), []rule.Rule{
			allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(port)}}), allow(rule.Match{Protocol: 17, Dst: rule.Side{Ports: ports(port)}}),
		}, nil))
	}
	open := b.Policy(profile("open"), nil, []rule.Rule{allow(rule.Match{})})
	for i := range 2 {
		e := b.Endpoint(fmt.Sprintf("cali%d", i+1), []desired.TierPolicies{tier("default", rule.Deny, ids...)}, []rule.PolicyID{open}, fmt.Sprintf("10.65.0.%d", i+1))
		e.Tiers[rule.Egress] = nil
	}
	return b.State(t)
}
