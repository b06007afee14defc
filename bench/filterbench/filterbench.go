// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package filterbench measures what the number of policies and the way they are rendered cost the packets: Run sends the same traffic through
// routers that differ in nothing but their policy, in turn.
//
// Each router is a namespace between a client and a server, as a node is between two of its workloads; a driver programs it from the
// calculation's view of a made-up namespace of many applications. There policies select all workloads: policy i lets application i reach
// them, and be reached by them, on three TCP ports, and its monitoring on a fourth. So both ends of a connection stand behind all
// policies, with two rules each way in each. Client and server belong to the last application: where rules are tried one after the other, all
// come before the one that matches. An application has ten workloads, all but those two on other nodes. Beside that there is a router whose
// policies differ in the port instead: policy i lets everybody in the namespace talk on two ports of its own.
package filterbench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/dataplane/iptables"
	"github.com/weftnet/weft/dataplane/nft"
	"github.com/weftnet/weft/sys/xtables"
)

// Config says how long to measure.
type Config struct {
	Rounds int
	Each   time.Duration // of one measurement
}

// routers are the contenders.
var routers = []setup{
	{name: "bare"},
	{"1", 1, byPeer, openNFT(nft.Options{})},
	{"100", 100, byPeer, openNFT(nft.Options{})},
	{"1000", 1000, byPeer, openNFT(nft.Options{})},
	{"100 plain", 100, byPeer, openNFT(nft.Options{Plain: true})},
	{"1000 ports", 1000, byPort, openNFT(nft.Options{})},
	{"100 iptables-nft", 100, byPeer, openIPTables(xtables.NFT)},
	{"100 iptables-legacy", 100, byPeer, openIPTables(xtables.Legacy)},
}

func openNFT(o nft.Options) func() (driver, error) {
	return func() (driver, error) { return nft.New(o) }
}

func openIPTables(f xtables.Flavour) func() (driver, error) {
	return func() (driver, error) { return iptables.New(iptables.Options{Flavour: f}) }
}

// comparisons are the rows: a measurement through one router beside that through another.
var comparisons = []struct {
	work, ours, beside, theirs string
	measure                    traffic.Measure
	format                     func(float64) string
	target                     measure.Target
}{
	{"connect+request+close, 1,000 policies", "1000", "1 policy", "1", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.95)},
	{"connect+request+close, 1,000 policies about ports", "1000 ports", "1 policy", "1", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.95)},
	{"request/response, 1,000 policies", "1000", "1 policy", "1", traffic.RequestResponse, measure.Rate("req"), measure.AtLeast(0.95)},
	{"connect+request+close, 100 policies", "100", "plain rendering", "100 plain", traffic.Connect, measure.Rate("conn"), measure.AtLeast(1.7)},
	{"connect+request+close, 1 policy", "1", "bare routing", "bare", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.82)},
	{"connect+request+close, 100 policies", "100", "bare routing", "bare", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.82)},
	{"connect+request+close, 1,000 policies", "1000", "bare routing", "bare", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.82)},
	{"connect+request+close, 100 policies, iptables-nft", "100 iptables-nft", "bare routing", "bare", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.6)},
	{"connect+request+close, 100 policies, iptables-legacy", "100 iptables-legacy", "bare routing", "bare", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.6)},
}

// Run builds all routers and measures every row.
func Run(ctx context.Context, c Config) (_ []measure.Row, err error) {
	built := map[string]*router{}
	for _, s := range routers {
		r, err := s.build(ctx)
		if err != nil {
			return nil, fmt.Errorf("router %q: %w", s.name, err)
		}
		defer func() { err = errors.Join(err, r.close()) }()
		built[s.name] = r
	}
	ours, theirs := make([]measure.Samples, len(comparisons)), make([]measure.Samples, len(comparisons))
	for n := range c.Rounds {
		for i, row := range comparisons {
			sides := []struct {
				router  *router
				samples *measure.Samples
			}{{built[row.ours], &ours[i]}, {built[row.theirs], &theirs[i]}}
			for turn := range sides { // each goes first every other time
				s := sides[(turn+n)%len(sides)]
				rate, err := row.measure(ctx, s.router.ends, c.Each)
				if err != nil {
					return nil, fmt.Errorf("%s beside %s: %w", row.work, row.beside, err)
				}
				*s.samples = append(*s.samples, rate)
			}
		}
	}
	var rows []measure.Row
	for i, row := range comparisons {
		rows = append(rows, measure.Compare("one router: "+row.work, ours[i], row.beside, theirs[i], row.format, row.target))
	}
	return rows, nil
}
