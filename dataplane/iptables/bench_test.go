// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/xtables"
)

// path is two workloads and the router between them.
type path struct {
	router *netns.NS
	ends   traffic.Ends
}

func newPath(b testing.TB) path {
	b.Helper()
	p := path{router: netnstest.New(b), ends: traffic.Ends{Client: netnstest.New(b), Server: netnstest.New(b), Addr: netip.MustParseAddr("10.65.0.2"), Port: 9000}}
	for i, end := range []*netns.NS{p.ends.Client, p.ends.Server} {
		name, addr := fmt.Sprint("cali", i+1), fmt.Sprintf("10.65.0.%d", i+1)
		run := func(ns *netns.NS, command string) { tool(b, ns, strings.Fields("ip "+command)...) }
		run(p.router, fmt.Sprintf("link add %s type veth peer name eth0 netns %s", name, end.Name()))
		run(p.router, "link set "+name+" up")
		run(p.router, "addr add 169.254.1.1/32 dev "+name)
		run(p.router, fmt.Sprintf("route add %s dev %s", addr, name))
		run(end, "link set eth0 up")
		run(end, "addr add "+addr+"/32 dev eth0")
		run(end, "route add 169.254.1.1 dev eth0")
		run(end, "route add default via 169.254.1.1")
	}
	tool(b, p.router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	return p
}

// policies is a state in which n policies are in front of the server, each for a set of hosts and a port, of which the last lets the client in.
func policies(b *testing.B, n int) *desired.State {
	b.Helper()
	var w build
	var ids []rule.PolicyID
	for i := range n {
		member, port := fmt.Sprintf("10.66.%d.%d", i/250, i%250+1), uint16(8000+i)
		if i == n-1 {
			member, port = "10.65.0.1", 9000
		}
		src := rule.Side{Sets: []rule.Set{w.Set(fmt.Sprint("clients", i), member)}}
		rules := []rule.Rule{
			allow(rule.Match{Protocol: 6, Src: src, Dst: rule.Side{Ports: ports(port)}}),
			allow(rule.Match{Protocol: 17, Src: src, Dst: rule.Side{Ports: ports(port)}}),
		}
		ids = append(ids, w.Policy(np(fmt.Sprint("p", i)), rules, nil))
	}
	open := w.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})
	w.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.65.0.1")
	e := w.Endpoint("cali2", nil, []rule.PolicyID{open}, "10.65.0.2")
	e.Tiers[rule.Ingress] = []desired.TierPolicies{tier("default", rule.Deny, ids...)}
	return w.State(b)
}

// BenchmarkConnect is the rate of new connections under policies, beside bare routing and beside one policy in rounds by turns.
func BenchmarkConnect(b *testing.B) {
	const round = 250 * time.Millisecond
	for _, flavour := range flavours {
		for _, n := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", flavour, n), func(b *testing.B) {
				bare, under := newPath(b), newPath(b)
				apply(b, openDriver(b, under.router, Options{Flavour: flavour}), policies(b, n), nil)
				rates := [2][]float64{}
				for b.Loop() {
					for i, p := range []path{bare, under} {
						rate, err := traffic.Connect(b.Context(), p.ends, round)
						if err != nil {
							b.Fatal(err)
						}
						rates[i] = append(rates[i], rate)
					}
				}
				b.ReportMetric(middle(rates[1])/middle(rates[0]), "x-bare")
				b.ReportMetric(middle(rates[1]), "conn/s")
			})
		}
	}
}

func middle(f []float64) float64 {
	slices.Sort(f)
	return f[len(f)/2]
}

// BenchmarkMember is one member more or less in a set of n, by Driver.Apply, by a bare message and by ipset restore.
func BenchmarkMember(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			view := manyMembers(b, n)
			ours, theirs := netnstest.New(b), netnstest.New(b)
			d, peer := openDriver(b, ours, Options{Flavour: xtables.NFT}), openDriver(b, theirs, Options{Flavour: xtables.NFT})
			apply(b, d, view, nil)
			apply(b, peer, view, nil)
			set, element := ipset.Set{Name: "weft4-many"}, ipset.Element{Prefix: prefix("12.0.0.1")}
			var files []string
			for _, verb := range []string{"del", "add"} {
				files = append(files, filepath.Join(b.TempDir(), verb))
				if err := os.WriteFile(files[len(files)-1], []byte(verb+" weft4-many 12.0.0.1\n"), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			var took [3][]float64
			for round := 0; b.Loop(); round++ {
				add := round%2 == 0
				delta := oneMember(add)
				if err := view.Apply(delta); err != nil {
					b.Fatal(err)
				}
				for i, do := range []func(){
					func() { apply(b, d, view, delta) },
					func() { bareMember(b, peer.sets, set, element, add) },
					func() {
						if round < 40 {
							tool(b, theirs, "ipset", "-exist", "restore", "-file", files[round%2])
						}
					},
				} {
					start := time.Now()
					do()
					if i < 2 || round < 40 {
						took[i] = append(took[i], time.Since(start).Seconds())
					}
				}
			}
			b.ReportMetric(middle(took[0])*1e6, "µs")
			b.ReportMetric(middle(took[0])/middle(took[1]), "x-bare")
			b.ReportMetric(middle(took[0])/middle(took[2]), "x-ipset-restore")
		})
	}
}

func bareMember(b *testing.B, sets ipset.Sets, s ipset.Set, e ipset.Element, add bool) {
	b.Helper()
	var batch ipset.Batch
	if add {
		batch.Add(s, e)
	} else {
		batch.Delete(s, e)
	}
	if err := sets.Commit(&batch); err != nil {
		b.Fatal(err)
	}
}
