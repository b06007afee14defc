// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/nft"
)

// Each benchmark runs the driver and its peers in turn and reports the medians and their ratios, so that a busy machine hurts all alike.

// compare times contenders in turn and reports medians in microseconds, and the first one's ratio to each other.
func compare(b *testing.B, contenders ...contender) {
	b.Helper()
	took := make([][]time.Duration, len(contenders))
	for n := 0; b.Loop(); n++ {
		for i, c := range contenders {
			if n >= c.most && c.most > 0 {
				continue
			}
			start := time.Now()
			c.do(n)
			took[i] = append(took[i], time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	first := median(took[0][len(took[0])/2:]) // the first half warms up: tables that just grew are still being rehashed
	for i, c := range contenders {
		m := median(took[i][len(took[i])/2:])
		b.ReportMetric(float64(m.Nanoseconds())/1000, c.name+"-µs")
		if i > 0 {
			b.ReportMetric(float64(first)/float64(m), "x-"+c.name)
		}
	}
}

type contender struct {
	name string
	do   func(n int)
	most int // rounds, 0: all
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkMember is one member more or less in a set of n, by Driver.Apply, by a bare transaction with the same element, and by nft -f.
func BenchmarkMember(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns := newNS(b)
			d := newDriver(b, ns)
			view := members(b, n)
			apply(b, d, view, nil)
			conn := open(b, ns)
			set := hostSetOf("many", ipv4)
			peerKey := []byte{12, 0, 0, 2}
			files := [2]string{peerFile(b, "add"), peerFile(b, "delete")}
			compare(b,
				contender{"driver", func(n int) {
					delta := oneMember(n%2 == 0)
					if err := view.Apply(delta); err != nil {
						b.Fatal(err)
					}
					apply(b, d, view, delta)
				}, 0},
				contender{"bare", func(n int) {
					batch := nft.NewBatch(tableName)
					if n%2 == 0 {
						batch.AddKeys(set, peerKey)
					} else {
						batch.DelKeys(set, peerKey)
					}
					if err := conn.Commit(batch); err != nil {
						b.Fatal(err)
					}
				}, 0},
				contender{"nft", func(n int) { nftTool(b, ns, "-f", files[n%2]) }, 40},
			)
			if n := differences(b, d, view); n > 1 { // the peers' elements may be there
				b.Errorf("%d differences at the end", n)
			}
		})
	}
}

func peerFile(b *testing.B, verb string) string {
	name := filepath.Join(b.TempDir(), verb)
	if err := os.WriteFile(name, []byte(verb+" element inet weft host4/many { 12.0.0.3 }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

func open(b *testing.B, ns *netns.NS) *nft.Conn {
	b.Helper()
	var c *nft.Conn
	err := ns.Do(func() (err error) {
		c, err = nft.Open()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	return c
}

// manyPolicies is n policies of four rules each in front of one endpoint; the version changes a rule of the first.
func manyPolicies(t testing.TB, n int, version uint16) *desired.State {
	t.Helper()
	var b build
	var ids []rule.PolicyID
	for i := range n {
		port := uint16(80)
		if i == 0 {
			port += version
		}
		set := b.Set(fmt.Sprintf("s%d", i), "10.0.0.1", "10.0.0.2")
		var rules []rule.Rule
		for range 4 {
			rules = append(rules, allow(rule.Match{Protocol: 6, Src: rule.Side{Sets: []rule.Set{set}}, Dst: rule.Side{Ports: ports(port, 443)}}))
		}
		ids = append(ids, b.Policy(np(fmt.Sprintf("p%d", i)), rules, nil))
	}
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, ids...)}, nil, "10.65.0.1")
	return b.State(t)
}

// BenchmarkPolicy is a change of one of n policies, by Driver.Apply and by nft -f with the same chain.
func BenchmarkPolicy(b *testing.B) {
	for _, n := range []int{10, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns := newNS(b)
			d := newDriver(b, ns)
			views := [2]*desired.State{manyPolicies(b, n, 0), manyPolicies(b, n, 1)}
			deltas := [2]*desired.Delta{desired.Diff(views[1], views[0]), desired.Diff(views[0], views[1])}
			apply(b, d, views[0], nil)
			file := filepath.Join(b.TempDir(), "policy")
			text := "flush chain inet weft in4/np/default/p1\n"
			for range 4 {
				text += "add rule inet weft in4/np/default/p1 meta l4proto tcp th dport { 80, 443 } ip saddr @host4/s1 counter accept\n"
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			compare(b,
				contender{"driver", func(n int) { apply(b, d, views[(n+1)%2], deltas[(n+1)%2]) }, 0},
				contender{"nft", func(int) { nftTool(b, ns, "-f", file) }, 40},
			)
		})
	}
}

// BenchmarkFirst is the first programming of a set of n members, by Driver.Apply and by nft -f of the same table.
func BenchmarkFirst(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ours, peer := newNS(b), newNS(b)
			d := newDriver(b, ours)
			view := members(b, n)
			text, err := Render(view, Options{})
			if err != nil {
				b.Fatal(err)
			}
			file := filepath.Join(b.TempDir(), "table")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			compare(b,
				contender{"driver", func(int) { apply(b, d, view, nil) }, 5},
				contender{"nft", func(int) { nftTool(b, peer, "-f", file) }, 5},
				contender{"reconcile", func(int) { apply(b, d, view, nil) }, 5},
				contender{"clean", func(int) {
					if err := d.Remove(b.Context()); err != nil {
						b.Fatal(err)
					}
					nftTool(b, peer, "flush", "ruleset")
				}, 0},
			)
		})
	}
}

// BenchmarkEndpoint is an endpoint more or less, dual stack, among n under the same ten policies, by Driver.Apply with read-back; beside it
// the start of the nft tool, the least a driver that runs it would need.
func BenchmarkEndpoint(b *testing.B) {
	for _, n := range []int{10, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var state build
			var ids []rule.PolicyID
			for i := range 10 {
				set := state.Set(fmt.Sprintf("s%d", i), "10.0.0.1")
				rules := []rule.Rule{allow(rule.Match{Protocol: 6, Src: rule.Side{Sets: []rule.Set{set}}, Dst: rule.Side{Ports: ports(80)}})}
				ids = append(ids, state.Policy(np(fmt.Sprintf("p%d", i)), rules, rules))
			}
			tiers := []desired.TierPolicies{tier("default", rule.Deny, ids...)}
			for i := range n {
				state.Endpoint(fmt.Sprintf("cali%d", i), tiers, nil, fmt.Sprintf("10.1.%d.%d", i/250, i%250), fmt.Sprintf("fd00::%x", i))
			}
			view := state.State(b)
			var more build
			extra := more.Endpoint("calix", tiers, nil, "10.2.0.1", "fd00::2:1")
			deltas := [2]*desired.Delta{{Endpoints: []*desired.Endpoint{extra}}, {EndpointsRemoved: []desired.EndpointID{extra.ID}}}
			ns := newNS(b)
			d := newDriver(b, ns)
			apply(b, d, view, nil)
			compare(b,
				contender{"driver", func(n int) {
					if err := view.Apply(deltas[n%2]); err != nil {
						b.Fatal(err)
					}
					apply(b, d, view, deltas[n%2])
				}, 0},
				contender{"nft", func(int) { nftTool(b, ns, "list", "tables") }, 40},
			)
		})
	}
}

// BenchmarkPeers is the planning of a change of one of n policies of a tier that makes it name its peers by another set, without the kernel.
func BenchmarkPeers(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			views := [2]*desired.State{renamedPeers(b, n, 0), renamedPeers(b, n, n)}
			deltas := [2]*desired.Delta{desired.Diff(views[1], views[0]), desired.Diff(views[0], views[1])}
			l := newLedger(views[0], Options{})
			check(b, l.putView(nil, nil))
			_, err := l.finish()
			check(b, err)
			for at := 1; b.Loop(); at = 1 - at {
				l.begin(views[at])
				check(b, l.putDelta(deltas[at]))
				_, err := l.finish()
				check(b, err)
			}
		})
	}
}

// renamedPeers is n policies with a set each, but the first, which has the set of that number.
func renamedPeers(b *testing.B, n, first int) *desired.State {
	var s build
	var ids []rule.PolicyID
	var sets []rule.Set
	for i := range n + 1 {
		sets = append(sets, s.Set(fmt.Sprintf("s%d", i), fmt.Sprintf("10.1.%d.%d", i/250, i%250), fmt.Sprintf("10.2.%d.%d", i/2000, i/8%250), fmt.Sprintf("fd00::%x", i+1)))
	}
	for i := range n {
		from := rule.Side{Sets: []rule.Set{sets[i]}}
		if i == 0 {
			from.Sets = []rule.Set{sets[first]}
		}
		ids = append(ids, s.Policy(np(fmt.Sprintf("p%d", i)), []rule.Rule{allow(rule.Match{Src: from})}, nil))
	}
	s.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, ids...)}, nil, "10.65.0.1")
	return s.State(b)
}
